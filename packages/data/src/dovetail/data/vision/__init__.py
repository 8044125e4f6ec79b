"""Image data sets that are ready to use, with torchvision's names, arguments and folders."""

from dovetail.data.vision.base import VisionDataset as VisionDataset
from dovetail.data.vision.cifar import CIFAR10 as CIFAR10
from dovetail.data.vision.cifar import CIFAR100 as CIFAR100
from dovetail.data.vision.fake import FakeData as FakeData
from dovetail.data.vision.folder import DatasetFolder as DatasetFolder
from dovetail.data.vision.folder import ImageFolder as ImageFolder
from dovetail.data.vision.mnist import KMNIST as KMNIST
from dovetail.data.vision.mnist import MNIST as MNIST
from dovetail.data.vision.mnist import FashionMNIST as FashionMNIST
from dovetail.data.vision.svhn import SVHN as SVHN
