"""What each layer computes, prints and refuses."""

import warnings

import pytest

import dovetail
from dovetail import nn
from dovetail.errors import DTypeError, ShapeError
from dovetail.nn import functional as F


def close(got, wanted):
    return dovetail.allclose(got, dovetail.tensor(wanted, dtype=got.dtype), atol=1e-5)


# Linear and embedding


def test_linear_is_a_product_and_a_bias():
    layer = nn.Linear(2, 1)
    layer.load_state_dict({"weight": dovetail.tensor([[1.0, 2.0]]), "bias": dovetail.tensor([0.5])})
    assert layer(dovetail.tensor([[3.0, 4.0]])).tolist() == [[11.5]]
    assert layer(dovetail.tensor([3.0, 4.0])).tolist() == [11.5]
    assert nn.Linear(2, 1, bias=False).bias is None


def test_linear_names_the_features_it_takes():
    layer = nn.Linear(784, 10)
    with pytest.raises(ShapeError) as caught:
        layer(dovetail.ones(4, 3))
    assert str(caught.value) == (
        "Linear with in_features=784 takes an input of shape (..., 784); got (4, 3), whose last dimension is 3; "
        "reshape the input, or build the layer with in_features=3"
    )
    with pytest.raises(ShapeError, match=r"got \(2, 28, 28\), .* put nn.Flatten\(\) before the layer"):
        layer(dovetail.ones(2, 28, 28))
    with pytest.raises(ShapeError, match="whose last dimension is missing"):
        layer(dovetail.tensor(1.0))


def test_linear_names_dtypes_and_kinds():
    with pytest.raises(DTypeError) as caught:
        nn.Linear(2, 1)(dovetail.ones(1, 2, dtype=dovetail.float64))
    assert str(caught.value) == (
        "Linear has a weight of dtype dovetail.float32 and got an input of dtype dovetail.float64; they must agree: "
        "convert the input with .to(dovetail.float32), or the layer with .to(dovetail.float64)"
    )
    with pytest.raises(
        DTypeError, match=r"input of dtype dovetail.int64; .*convert the input with .to\(dovetail.float"
    ):
        nn.Linear(2, 1)(dovetail.ones(1, 2, dtype=dovetail.int64))
    with pytest.raises(TypeError, match=r"Linear takes a Tensor; got list; make one with dovetail.tensor"):
        nn.Linear(2, 1)([1.0, 2.0])


def test_functional_linear_checks_weight_and_bias():
    with pytest.raises(ShapeError, match=r"a bias of shape \(3,\); got \(2,\)"):
        F.linear(dovetail.ones(1, 2), dovetail.ones(3, 2), dovetail.ones(2))
    with pytest.raises(ShapeError, match=r"weight of shape \(out_features, in_features\); got \(1, 3, 2\)"):
        F.linear(dovetail.ones(1, 2), dovetail.ones(1, 3, 2))


def test_embedding_looks_up_and_leaves_padding_untrained():
    layer = nn.Embedding(4, 2, padding_idx=-1)
    assert layer.padding_idx == 3
    assert layer.weight[3].tolist() == [0.0, 0.0]
    out = layer(dovetail.tensor([[0, 3], [0, 1]]))
    assert out.shape == (2, 2, 2)
    out.sum().backward()
    assert layer.weight.grad.tolist() == [[2.0, 2.0], [1.0, 1.0], [0.0, 0.0], [0.0, 0.0]]


def test_embedding_from_a_given_table():
    table = dovetail.tensor([[1.0, 2.0], [3.0, 4.0]])
    layer = nn.Embedding.from_pretrained(table)
    assert not layer.weight.requires_grad
    assert nn.Embedding.from_pretrained(table, freeze=False).weight.requires_grad
    assert layer(dovetail.tensor([1])).tolist() == [[3.0, 4.0]]
    with pytest.raises(ShapeError, match=r"takes a table \(num_embeddings, embedding_dim\); got shape \(2,\)"):
        nn.Embedding.from_pretrained(dovetail.ones(2))


@pytest.mark.parametrize("index", [4, -1])
def test_embedding_names_the_index_out_of_range(index):
    with pytest.raises(IndexError) as caught:
        nn.Embedding(4, 2)(dovetail.tensor([0, index]))
    assert str(caught.value) == (
        f"Embedding: index {index} is out of range; a table of 4 embeddings has indices 0 to 3; "
        "check the indices or num_embeddings"
    )


def test_embedding_refuses_floats_and_a_padding_outside():
    with pytest.raises(DTypeError, match=r"indices of an integer dtype; got dovetail.float32; convert with .long\(\)"):
        nn.Embedding(4, 2)(dovetail.ones(2))
    with pytest.raises(ValueError, match="padding_idx=4 is outside the table of 4 embeddings; allowed are -4 to 3"):
        nn.Embedding(4, 2, padding_idx=4)


def test_flatten_and_unflatten():
    x = dovetail.ones(2, 3, 4, 5)
    assert nn.Flatten()(x).shape == (2, 60)
    assert nn.Flatten(0, 1)(x).shape == (6, 4, 5)
    assert nn.Unflatten(1, (3, -1))(dovetail.ones(2, 6)).shape == (2, 3, 2)
    assert nn.Unflatten(-1, [2, 3])(dovetail.ones(2, 6)).shape == (2, 2, 3)
    with pytest.raises(TypeError, match=r"unflattened_size is a tuple of ints; got 6"):
        nn.Unflatten(1, 6)


# Convolution and pooling


def test_conv2d_adds_up_windows():
    layer = nn.Conv2d(1, 1, 2, bias=False)
    layer.load_state_dict({"weight": dovetail.ones(1, 1, 2, 2)})
    image = dovetail.arange(9.0).reshape(1, 1, 3, 3)
    assert layer(image).tolist() == [[[[8.0, 12.0], [20.0, 24.0]]]]
    assert layer(image[0]).tolist() == [[[8.0, 12.0], [20.0, 24.0]]]


@pytest.mark.parametrize(("kernel", "dilation"), [(3, 1), (2, 1), (4, 1), (3, 2), ((2, 5), (3, 1))])
def test_same_padding_keeps_the_size(kernel, dilation):
    layer = nn.Conv2d(2, 4, kernel, padding="same", dilation=dilation)
    assert layer(dovetail.ones(1, 2, 7, 8)).shape == (1, 4, 7, 8)


def test_valid_padding_is_none():
    assert nn.Conv2d(1, 1, 3, padding="valid")(dovetail.ones(1, 1, 5, 5)).shape == (1, 1, 3, 3)


def test_conv2d_names_the_channels_it_takes():
    with pytest.raises(ShapeError) as caught:
        nn.Conv2d(3, 8, 3)(dovetail.ones(2, 1, 8, 8))
    assert str(caught.value) == (
        "Conv2d with in_channels=3 takes an input of shape (N, 3, H, W); got (2, 1, 8, 8), which has 1 channels; "
        "give it that many, or build the layer with in_channels=1"
    )
    with pytest.raises(ShapeError, match=r"channels stand before height and width: use .permute\(0, 3, 1, 2\)"):
        nn.Conv2d(3, 8, 3)(dovetail.ones(2, 8, 8, 3))
    with pytest.raises(ShapeError, match=r"\(N, 1, H, W\) or \(1, H, W\); got \(2, 64\); add the missing dimensions"):
        nn.Conv2d(1, 8, 3)(dovetail.ones(2, 64))
    with pytest.raises(
        ShapeError, match=r"kernel covers 3 and the input of shape \(1, 1, 2, 2\), with padding 0, only 2"
    ):
        nn.Conv2d(1, 8, 3)(dovetail.ones(1, 1, 2, 2))
    with pytest.raises(
        DTypeError, match=r"Conv2d has a weight of dtype dovetail.float32 and got an input of dtype dov"
    ):
        nn.Conv2d(1, 8, 3)(dovetail.ones(1, 1, 4, 4, dtype=dovetail.float64))


def test_functional_conv2d_checks_weight_bias_and_groups():
    x = dovetail.ones(1, 2, 4, 4)
    with pytest.raises(ShapeError, match=r"weight of shape \(out, in / groups, height, width\); got \(2, 2\)"):
        F.conv2d(x, dovetail.ones(2, 2))
    with pytest.raises(ShapeError, match=r"4 output channels need a bias of that length; got \(2,\)"):
        F.conv2d(x, dovetail.ones(4, 2, 3, 3), dovetail.ones(2))
    with pytest.raises(ShapeError, match=r"groups=2 must divide the 3 output channels"):
        F.conv2d(x, dovetail.ones(3, 1, 3, 3), groups=2)
    with pytest.raises(ValueError, match=r"padding='same' works with stride 1 only; got stride=\(2, 2\)"):
        F.conv2d(x, dovetail.ones(2, 2, 3, 3), stride=2, padding="same")
    with pytest.raises(ValueError, match=r"padding is 'same', 'valid', an int or a pair of ints; got 'some'"):
        F.conv2d(x, dovetail.ones(2, 2, 3, 3), padding="some")
    with pytest.raises(ValueError, match=r"an int or a pair \(height, width\) is needed; got \(1, 2, 3\)"):
        F.conv2d(x, dovetail.ones(2, 2, 3, 3), stride=(1, 2, 3))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"groups": 0}, "groups is 1 or more; got 0"),
        ({"groups": 3}, "in_channels=4 must be divisible by groups=3"),
        ({"padding": "some"}, "padding is 'same', 'valid', an int or a pair of ints; got 'some'"),
        ({"padding": "same", "stride": 2}, "padding='same' works with stride 1 only; got stride=2"),
        ({"padding_mode": "reflect"}, "padding_mode is 'zeros'; got 'reflect'; pad the input before the layer instead"),
    ],
)
def test_conv2d_checks_its_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        nn.Conv2d(4, 6, 3, **settings)


def test_pools_reduce_windows():
    image = dovetail.arange(16.0).reshape(1, 1, 4, 4)
    assert nn.MaxPool2d(2)(image).tolist() == [[[[5.0, 7.0], [13.0, 15.0]]]]
    assert nn.AvgPool2d(2)(image).tolist() == [[[[2.5, 4.5], [10.5, 12.5]]]]
    assert nn.AdaptiveAvgPool2d(1)(image).tolist() == [[[[7.5]]]]
    assert nn.AdaptiveAvgPool2d((None, 1))(image[0]).shape == (1, 4, 1)
    values, indices = nn.MaxPool2d(2, return_indices=True)(image[0])
    assert values.shape == indices.shape == (1, 2, 2)
    assert indices.tolist() == [[[5, 7], [13, 15]]]


def test_pools_name_the_shape_they_take():
    for layer in (nn.MaxPool2d(2), nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(1)):
        with pytest.raises(
            ShapeError, match=r"pool2d takes an input of shape \(N, C, H, W\) or \(C, H, W\); got \(4, 4\)"
        ):
            layer(dovetail.ones(4, 4))
    with pytest.raises(ValueError, match="divisor_override must not be 0"):
        nn.AvgPool2d(2, divisor_override=0)(dovetail.ones(1, 4, 4))


def test_pad_widens_and_cuts():
    x = dovetail.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert F.pad(x, (1, 0, 0, 1), value=9.0).tolist() == [[9.0, 1.0, 2.0], [9.0, 3.0, 4.0], [9.0, 9.0, 9.0]]
    assert F.pad(x, (-1, 1)).tolist() == [[2.0, 0.0], [4.0, 0.0]]
    with pytest.raises(ValueError, match="pad: mode is 'constant'; got 'reflect'"):
        F.pad(x, (1, 1), mode="reflect")
    with pytest.raises(ValueError, match=r"two widths for each of up to 2 dimensions; got \(1,\)"):
        F.pad(x, (1,))


# Activations


def test_activations_keep_shape_and_know_their_values():
    x = dovetail.tensor([-1.0, 0.0, 2.0])
    assert nn.ReLU()(x).tolist() == [0.0, 0.0, 2.0]
    assert close(nn.LeakyReLU(0.1)(x), [-0.1, 0.0, 2.0])
    assert close(nn.Sigmoid()(x), [0.268941, 0.5, 0.880797])
    assert close(nn.Tanh()(x), [-0.761594, 0.0, 0.964028])
    assert close(nn.SiLU()(x), [-0.268941, 0.0, 1.761594])
    assert close(nn.GELU()(x), [-0.158655, 0.0, 1.954500])
    assert close(nn.GELU("tanh")(x), [-0.158808, 0.0, 1.954598])
    assert close(nn.Softmax(0)(x), [0.042010, 0.114195, 0.843795])
    assert close(nn.LogSoftmax(0)(x), [-3.169846, -2.169846, -0.169846])
    assert nn.Identity()(x) is x


@pytest.mark.parametrize(
    "layer", [nn.ReLU(inplace=True), nn.LeakyReLU(0.1, True), nn.SiLU(True), nn.Dropout(0.5, True)]
)
def test_in_place_layers_change_their_input_and_train(layer):
    weight = dovetail.tensor([-1.0, 0.5, 2.0], requires_grad=True)
    dovetail.manual_seed(0)
    plain = type(layer)()(weight * 3) if not isinstance(layer, nn.LeakyReLU) else nn.LeakyReLU(0.1)(weight * 3)
    plain.sum().backward()
    wanted, weight.grad = weight.grad, None
    dovetail.manual_seed(0)
    x = weight * 3
    out = layer(x)
    assert dovetail.equal(out, plain)
    assert dovetail.equal(x, plain)
    out.sum().backward()
    assert dovetail.equal(weight.grad, wanted)


def test_softmax_without_dim_warns():
    with pytest.warns(UserWarning, match="softmax without dim guesses dim=1 from the number of dimensions; pass dim"):
        assert F.softmax(dovetail.zeros(1, 2)).tolist() == [[0.5, 0.5]]
    with pytest.warns(UserWarning, match="log_softmax without dim guesses dim=0"):
        F.log_softmax(dovetail.zeros(2))
    assert F.softmax(dovetail.zeros(2, dtype=dovetail.float64), 0, dtype=dovetail.float32).dtype is dovetail.float32


def test_dropout_zeroes_and_scales_while_training():
    dovetail.manual_seed(1)
    layer = nn.Dropout(0.25)
    x = dovetail.ones(4000, requires_grad=True)
    out = layer(x)
    kept = (out != 0).float().mean().item()
    assert 0.7 < kept < 0.8
    assert close(out[out != 0], [4 / 3] * int((out != 0).sum()))
    out.sum().backward()
    assert dovetail.equal(x.grad, out.detach())
    assert layer.eval()(x) is x
    assert F.dropout(dovetail.ones(3), 1.0).tolist() == [0.0, 0.0, 0.0]
    with pytest.raises(ValueError, match=r"dropout's p is a probability, from 0 to 1; got 1.5"):
        nn.Dropout(1.5)


def test_one_hot_checks_its_indices():
    assert F.one_hot(dovetail.tensor([[0], [2]])).tolist() == [[[1, 0, 0]], [[0, 0, 1]]]
    assert F.one_hot(dovetail.tensor([], dtype=dovetail.int64), 3).shape == (0, 3)
    with pytest.raises(ValueError, match="one_hot: index 3 is out of range; with num_classes=3 allowed are 0 to 2"):
        F.one_hot(dovetail.tensor([3]), 3)
    with pytest.raises(ValueError, match="one_hot: index -1 is out of range"):
        F.one_hot(dovetail.tensor([-1]))
    with pytest.raises(DTypeError, match=r"one_hot takes class indices of dtype int64; got dovetail.float32"):
        F.one_hot(dovetail.ones(2))


# Normalisation


def test_batch_norm_normalises_by_the_batch_and_remembers():
    layer = nn.BatchNorm2d(2)
    dovetail.manual_seed(0)
    x = dovetail.randn(8, 2, 3, 3) * 5 + 3
    out = layer(x)
    assert close(out.mean((0, 2, 3)), [0.0, 0.0])
    assert int(layer.num_batches_tracked) == 1
    assert dovetail.allclose(layer.running_mean, 0.1 * x.mean((0, 2, 3)))
    assert dovetail.allclose(layer.running_var, 0.9 + 0.1 * x.var((0, 2, 3)), rtol=1e-4)
    layer.eval()
    assert not dovetail.allclose(layer(x), out)
    layer.reset_parameters()
    assert layer.running_mean.tolist() == [0.0, 0.0]
    assert int(layer.num_batches_tracked) == 0


def test_batch_norm_without_momentum_averages_over_all_batches():
    layer = nn.BatchNorm1d(1, momentum=None)
    for value in (1.0, 3.0, 5.0):
        layer(dovetail.tensor([[value - 1], [value + 1]]))
    assert close(layer.running_mean, [3.0])
    assert close(layer.running_var, [2.0])


def test_batch_norm_without_tracking_uses_the_batch_always():
    layer = nn.BatchNorm1d(1, track_running_stats=False, affine=False).eval()
    assert not list(layer.state_dict())
    assert close(layer(dovetail.tensor([[0.0], [2.0]])), [[-0.999995], [0.999995]])


def test_batch_norm_names_the_shape_it_takes():
    with pytest.raises(ShapeError) as caught:
        nn.BatchNorm2d(3)(dovetail.ones(2, 4, 5, 5))
    assert str(caught.value) == (
        "BatchNorm2d with num_features=3 takes an input of shape (N, 3, H, W); got (2, 4, 5, 5)"
    )
    with pytest.raises(ShapeError, match=r"shape \(N, 3\) or \(N, 3, L\); got \(3,\)"):
        nn.BatchNorm1d(3)(dovetail.ones(3))
    with pytest.raises(ShapeError, match="expected more than 1 value per channel"):
        nn.BatchNorm1d(3)(dovetail.ones(1, 3))
    with pytest.raises(ValueError, match="without training=True needs running_mean and running_var; got None"):
        F.batch_norm(dovetail.ones(2, 3), None, None)


def test_layer_norm_normalises_each_sample():
    x = dovetail.tensor([[0.0, 2.0], [10.0, 30.0]])
    assert close(nn.LayerNorm(2)(x), [[-0.999995, 0.999995], [-1.0, 1.0]])
    assert nn.LayerNorm([2, 2])(x).shape == (2, 2)
    assert nn.LayerNorm(2, elementwise_affine=False).weight is None
    assert nn.LayerNorm(2, bias=False).bias is None
    with pytest.raises(ShapeError) as caught:
        nn.LayerNorm((3, 4))(dovetail.ones(2, 4, 3))
    assert str(caught.value) == (
        "LayerNorm with normalized_shape=(3, 4) takes an input of shape (..., 3, 4); got (2, 4, 3)"
    )


# Attention


def test_attention_averages_what_it_may_look_at():
    value = dovetail.tensor([[[1.0], [3.0]]])
    same = dovetail.zeros(1, 2, 4)
    assert close(F.scaled_dot_product_attention(same, same, value), [[[2.0], [2.0]]])
    assert close(F.scaled_dot_product_attention(same, same, value, is_causal=True), [[[1.0], [2.0]]])
    mask = dovetail.tensor([[True, False], [False, False]])
    assert close(F.scaled_dot_product_attention(same, same, value, attn_mask=mask), [[[1.0], [0.0]]])
    added = dovetail.tensor([[0.0, -1e9], [0.0, 0.0]])
    assert close(F.scaled_dot_product_attention(same, same, value, attn_mask=added), [[[1.0], [2.0]]])


def test_attention_of_a_blind_query_has_a_finite_gradient():
    query = dovetail.ones(1, 1, 2, requires_grad=True)
    mask = dovetail.zeros(1, 1, dtype=dovetail.bool)
    F.scaled_dot_product_attention(query, query, query, attn_mask=mask).sum().backward()
    assert query.grad.tolist() == [[[0.0, 0.0]]]


def test_attention_shares_heads():
    dovetail.manual_seed(0)
    query, key = dovetail.randn(1, 4, 3, 2), dovetail.randn(1, 2, 3, 2)
    out = F.scaled_dot_product_attention(query, key, key, enable_gqa=True)
    whole = dovetail.cat([key[:, :1], key[:, :1], key[:, 1:], key[:, 1:]], 1)
    assert dovetail.allclose(out, F.scaled_dot_product_attention(query, whole, whole))


def test_attention_checks_its_shapes():
    x = dovetail.ones(1, 3, 4)
    with pytest.raises(ShapeError, match=r"same last dimension; got query \(1, 3, 4\), key \(1, 3, 5\), value"):
        F.scaled_dot_product_attention(x, dovetail.ones(1, 3, 5), x)
    with pytest.raises(ShapeError, match="key and value must have the same length"):
        F.scaled_dot_product_attention(x, x, dovetail.ones(1, 2, 4))
    with pytest.raises(ShapeError, match="tensors of 2 or more dimensions"):
        F.scaled_dot_product_attention(x, x, dovetail.ones(3))
    with pytest.raises(ValueError, match="attn_mask or is_causal=True, not both"):
        F.scaled_dot_product_attention(x, x, x, attn_mask=dovetail.ones(3, 3), is_causal=True)


def test_layers_take_a_dtype():
    for layer in (
        nn.Linear(2, 2, dtype=dovetail.float64),
        nn.Conv2d(1, 1, 1, dtype=dovetail.float64),
        nn.BatchNorm1d(2, dtype=dovetail.float64),
        nn.LayerNorm(2, dtype=dovetail.float64, device="cpu"),
        nn.Embedding(2, 2, dtype=dovetail.float64),
    ):
        assert all(parameter.dtype is dovetail.float64 for parameter in layer.parameters())


def test_right_calls_do_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        F.mse_loss(dovetail.ones(2), dovetail.ones(2))
