"""Transforms of images: torchvision's, on Pillow images, NumPy arrays and tensors, and the functions behind them.

A Pillow image is read and written by Pillow (``pip install "dovetail-data[image]"``); an array has shape (height,
width) or (height, width, channels), a tensor (..., channels, height, width). Each transform returns the kind that
it got.
Random ones draw from Dovetail's default generator, the same numbers as torchvision's after the same ``manual_seed``.
"""

from dovetail.data.transforms import functional as functional
from dovetail.data.transforms.automatic import AugMix as AugMix
from dovetail.data.transforms.automatic import AutoAugment as AutoAugment
from dovetail.data.transforms.automatic import AutoAugmentPolicy as AutoAugmentPolicy
from dovetail.data.transforms.automatic import RandAugment as RandAugment
from dovetail.data.transforms.automatic import TrivialAugmentWide as TrivialAugmentWide
from dovetail.data.transforms.coloring import ColorJitter as ColorJitter
from dovetail.data.transforms.coloring import GaussianBlur as GaussianBlur
from dovetail.data.transforms.coloring import Grayscale as Grayscale
from dovetail.data.transforms.coloring import RandomAdjustSharpness as RandomAdjustSharpness
from dovetail.data.transforms.coloring import RandomAutocontrast as RandomAutocontrast
from dovetail.data.transforms.coloring import RandomEqualize as RandomEqualize
from dovetail.data.transforms.coloring import RandomGrayscale as RandomGrayscale
from dovetail.data.transforms.coloring import RandomInvert as RandomInvert
from dovetail.data.transforms.coloring import RandomPosterize as RandomPosterize
from dovetail.data.transforms.coloring import RandomSolarize as RandomSolarize
from dovetail.data.transforms.composing import Compose as Compose
from dovetail.data.transforms.composing import Lambda as Lambda
from dovetail.data.transforms.composing import RandomApply as RandomApply
from dovetail.data.transforms.composing import RandomChoice as RandomChoice
from dovetail.data.transforms.composing import RandomOrder as RandomOrder
from dovetail.data.transforms.converting import ConvertImageDtype as ConvertImageDtype
from dovetail.data.transforms.converting import Normalize as Normalize
from dovetail.data.transforms.converting import PILToTensor as PILToTensor
from dovetail.data.transforms.converting import ToPILImage as ToPILImage
from dovetail.data.transforms.converting import ToTensor as ToTensor
from dovetail.data.transforms.erasing import RandomErasing as RandomErasing
from dovetail.data.transforms.interpolation import InterpolationMode as InterpolationMode
from dovetail.data.transforms.mixing import CutMix as CutMix
from dovetail.data.transforms.mixing import MixUp as MixUp
from dovetail.data.transforms.sizing import CenterCrop as CenterCrop
from dovetail.data.transforms.sizing import FiveCrop as FiveCrop
from dovetail.data.transforms.sizing import Pad as Pad
from dovetail.data.transforms.sizing import RandomCrop as RandomCrop
from dovetail.data.transforms.sizing import RandomResizedCrop as RandomResizedCrop
from dovetail.data.transforms.sizing import Resize as Resize
from dovetail.data.transforms.sizing import TenCrop as TenCrop
from dovetail.data.transforms.warping import RandomAffine as RandomAffine
from dovetail.data.transforms.warping import RandomHorizontalFlip as RandomHorizontalFlip
from dovetail.data.transforms.warping import RandomPerspective as RandomPerspective
from dovetail.data.transforms.warping import RandomRotation as RandomRotation
from dovetail.data.transforms.warping import RandomVerticalFlip as RandomVerticalFlip
