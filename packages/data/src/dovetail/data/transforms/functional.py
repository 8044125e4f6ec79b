"""The transforms as functions, whose arguments say what is done; nothing here draws a number.

Each takes a Pillow image, a NumPy array of shape (height, width) or (height, width, channels), or a tensor of shape
(..., channels, height, width), and returns the same kind. Tensors are computed in NumPy, whatever their device, and
carry no gradient on.
"""

from dovetail.data.transforms.functional_color import adjust_brightness as adjust_brightness
from dovetail.data.transforms.functional_color import adjust_contrast as adjust_contrast
from dovetail.data.transforms.functional_color import adjust_gamma as adjust_gamma
from dovetail.data.transforms.functional_color import adjust_hue as adjust_hue
from dovetail.data.transforms.functional_color import adjust_saturation as adjust_saturation
from dovetail.data.transforms.functional_color import adjust_sharpness as adjust_sharpness
from dovetail.data.transforms.functional_color import autocontrast as autocontrast
from dovetail.data.transforms.functional_color import equalize as equalize
from dovetail.data.transforms.functional_color import gaussian_blur as gaussian_blur
from dovetail.data.transforms.functional_color import invert as invert
from dovetail.data.transforms.functional_color import posterize as posterize
from dovetail.data.transforms.functional_color import rgb_to_grayscale as rgb_to_grayscale
from dovetail.data.transforms.functional_color import solarize as solarize
from dovetail.data.transforms.functional_color import to_grayscale as to_grayscale
from dovetail.data.transforms.functional_convert import convert_image_dtype as convert_image_dtype
from dovetail.data.transforms.functional_convert import erase as erase
from dovetail.data.transforms.functional_convert import get_dimensions as get_dimensions
from dovetail.data.transforms.functional_convert import get_image_size as get_image_size
from dovetail.data.transforms.functional_convert import normalize as normalize
from dovetail.data.transforms.functional_convert import pil_to_tensor as pil_to_tensor
from dovetail.data.transforms.functional_convert import to_pil_image as to_pil_image
from dovetail.data.transforms.functional_convert import to_tensor as to_tensor
from dovetail.data.transforms.functional_geometry import affine as affine
from dovetail.data.transforms.functional_geometry import center_crop as center_crop
from dovetail.data.transforms.functional_geometry import crop as crop
from dovetail.data.transforms.functional_geometry import five_crop as five_crop
from dovetail.data.transforms.functional_geometry import hflip as hflip
from dovetail.data.transforms.functional_geometry import pad as pad
from dovetail.data.transforms.functional_geometry import perspective as perspective
from dovetail.data.transforms.functional_geometry import resize as resize
from dovetail.data.transforms.functional_geometry import resized_crop as resized_crop
from dovetail.data.transforms.functional_geometry import rotate as rotate
from dovetail.data.transforms.functional_geometry import ten_crop as ten_crop
from dovetail.data.transforms.functional_geometry import vflip as vflip
from dovetail.data.transforms.interpolation import InterpolationMode as InterpolationMode
