"""The table of figures: what each shows, where it stands in the lectures, and the code that computes it.

Nothing heavy is loaded here; the code of a figure is imported when it is computed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from striate.core.registry import Entry, Registry

if TYPE_CHECKING:
    from .claims import Computed

Kind = Literal["X", "A", "E", "P"]
KINDS: dict[Kind, str] = {
    "X": "exact arithmetic",
    "A": "table of an architecture",
    "E": "experiment",
    "P": "picture with a check",
}
LECTURES = {
    "B": "Training networks and the properties of CNNs",
    "V": "An overview of CNNs and their uses",
    "C": "Learning-based vision",
    "U": "More CNNs",
    **{f"K{number}": f"Computer vision and deep learning, lecture {number}" for number in range(1, 14)},
}


@dataclass(frozen=True)
class Figure(Entry):
    """One figure, described without loading its code.

    Attributes:
        where: The lectures in which it stands, in words.
        kind: A key of `KINDS`.
        cost: ``"s"`` for seconds, ``"m"`` for minutes on two cores; such a figure is computed only when it is named.
        needs: Files that do not come with Striate, in words; such a figure is computed only when it is named.
    """

    where: str = ""
    kind: Kind = "X"
    cost: Literal["s", "m"] = "s"
    needs: str = ""


def figure(name: str) -> Figure:
    """The figure with this id; an unknown one raises `UnknownNameError` with the nearest known ones."""
    FIGURES[name]
    return _FIGURES[name]


Row = tuple[str, str, str, Kind] | tuple[str, str, str, Kind, str]  # id, title, lectures, kind, keys of papers


def _figures(module: str, *rows: Row, needs: str = "", cost: Literal["s", "m"] = "s") -> dict[str, Figure]:
    found = {}
    for name, title, lectures, kind, *papers in rows:
        places = [
            f"{LECTURES[code]}{': ' if part else ''}{part}"
            for code, _, part in (each.strip().partition(" ") for each in lectures.split(";"))
        ]
        target = f"striate.figures.{module}:{name.replace('-', '_')}"
        cites = tuple(papers[0].split()) if papers else ()
        found[name] = Figure(target, title, cites, where="; ".join(places), kind=kind, needs=needs, cost=cost)
    return found


_FIGURES: dict[str, Figure] = {
    **_figures(
        "scores",
        ("linear-scores", "Scores of a linear classifier, and the bias trick", "K2 simplified example", "X"),
        ("hinge-example", "Hinge loss of three images", "K2 hinge loss", "X", "weston1999support"),
        ("hinge-initial", "Hinge loss before training", "K2 hinge loss", "X", "weston1999support"),
        ("hinge-scaling", "Hinge loss of scaled weights", "K2 regularization", "X", "weston1999support"),
        ("l2-example", "Squares of two weight vectors with one score", "K2 regularization", "X"),
        ("l1-example", "Absolute values of the same weights", "K2 regularization", "X"),
        ("softmax-example", "From scores to a cross-entropy loss", "K2 softmax", "X"),
        ("softmax-initial", "Cross-entropy before training, and its gradient", "K2 softmax; B zero weights", "X"),
    ),
    **_figures(
        "gradients",
        ("numerical-gradient", "A slope from two losses", "K2 numerical gradient", "X"),
        ("gradient-check", "Backpropagation against central differences", "K2 analytical gradient", "X"),
        ("graph-abc", "Backwards through ab + c", "K3 computational graph", "X"),
        ("graph-xy", "Backwards through xy", "V illustrative example", "X"),
        ("graph-xyz", "Backwards through (x + y) z", "V backpropagation", "X"),
        ("graph-neuron", "Backwards through a sigmoid neuron", "K3 backpropagation example", "X"),
        ("graph-gates", "What add, multiply and max do to a gradient", "K3 patterns in gradient flow", "P"),
        ("long-derivative", "A long derivative", "K3 derivatives", "X"),
        ("layer-backward", "Backwards through one layer", "K3 backpropagation", "X"),
        ("mlp-shapes", "Shapes in a 3-4-1 network", "K3 notation", "X"),
    ),
    **_figures(
        "measures",
        ("tumour", "Every figure of one confusion matrix", "K2 classification metrics", "X", "fawcett2006introduction"),
        ("lever-table", "Nine small classifiers", "K2 classification metrics", "X", "lever2016classification"),
        (
            "f-beta",
            "F-beta for three weights of recall",
            "K2 classification metrics",
            "X",
            "vanrijsbergen1979information",
        ),
        ("roc-auc", "Area under the ROC curve as pairs in order", "K2 ROC", "P", "fawcett2006introduction"),
        ("seg-metrics", "Accuracy, IoU and Dice of an empty mask", "K9 metrics", "X", "dice1945measures"),
        (
            "ap-example",
            "Average precision of ten detections",
            "K10 metrics",
            "X",
            "everingham2010pascal lin2014microsoft",
        ),
        ("nms-example", "Suppression at a threshold, and above it", "K10 non-maximum suppression", "X"),
    ),
    **_figures(
        "convolution",
        ("conv-sum", "A 3x3 window over 25 pixels", "K3 convolution", "X"),
        ("filters-effect", "What nine filters do", "K3 filters", "P"),
        ("conv-sizes", "Sizes of outputs", "K4 convolution layers", "X", "dumoulin2016guide"),
        ("conv-quiz", "Five questions on sizes and parameters", "K4 questions", "X", "dumoulin2016guide"),
        ("local-sharing", "Full, local and shared weights", "V convolution", "X"),
        ("vgg-stack", "Three 3x3 windows for one 7x7", "K6 VGG; U VGG", "X", "simonyan2015very"),
        ("alexnet-fields", "Receptive fields of AlexNet", "B estimating receptive fields", "X", "zhou2015object"),
        ("fc-as-conv", "A linear layer as a convolution", "K6 LeCun; V fully convolutional nets", "X", "long2015fully"),
        ("sliding-conv", "A net slides over a larger image", "K10 sliding windows", "X", "sermanet2014overfeat"),
        ("depthwise-ratio", "Work of separable convolutions", "K7 MobileNet", "X", "howard2017mobilenets"),
        ("unet-size", "Sizes and parameters of U-Net", "K9 U-Net", "A", "ronneberger2015unet"),
    ),
    **_figures(
        "pooling",
        ("pool-4x4", "Maximum and mean over 2x2", "K4 pooling layers", "X"),
        ("pool-k6", "Maximum over 2x2, stride 2", "K6 pooling", "X"),
        ("upsample-2x2", "Nearest and bilinear up-sampling", "K9 up-sampling", "X"),
        ("bilinear-point", "A value between four pixels", "K9 bilinear interpolation", "X"),
        ("max-unpool", "Maxima put back where they stood", "K9 max unpooling", "X"),
        ("transposed-conv", "A transposed convolution", "K9 transposed convolution", "X", "dumoulin2016guide"),
        ("transposed-size", "Sizes of transposed convolutions", "K9 transposed convolution", "X", "dumoulin2016guide"),
        ("one-hot-planes", "Labels as planes", "K9 segmentation", "X"),
        ("roi-pool", "Pooling over a region", "K10 Fast R-CNN", "X", "girshick2015fast"),
    ),
    **_figures(
        "boxes",
        ("iou-threshold", "Two detections and a threshold", "K10 metrics", "X"),
        ("rpn-anchors", "Anchors of a region proposal network", "K10 Faster R-CNN", "X", "ren2015faster"),
        ("box-codes", "A box relative to its anchor", "K10 Faster R-CNN", "X", "ren2015faster"),
        ("smooth-l1", "Smooth L1 loss", "K10 Fast R-CNN", "X", "girshick2015fast"),
        ("yolo-tensor", "Shape of YOLO's output", "K10 YOLO", "X", "redmon2016you"),
        ("haar-count", "How many Haar features a window has", "K1 Viola-Jones", "X", "viola2001rapid"),
    ),
    **_figures(
        "descent",
        ("feature-scaling", "Steps that differing scales cost", "K4 importance of feature scaling", "P"),
        ("ewa-window", "How far a moving average looks back", "K5 exponentially weighted averages", "X"),
        ("ewa-bias", "A moving average corrected at its start", "K5 bias correction", "X"),
        (
            "optimiser-steps",
            "First steps of AdaGrad, RMSProp, Adam",
            "K6 optimisers",
            "X",
            "duchi2011adaptive tieleman2012rmsprop kingma2015adam",
        ),
        ("momentum-forms", "Two ways to write momentum", "K6 momentum", "X", "polyak1964some"),
        ("optimiser-race", "Six optimisers at a saddle", "K6 Radford's pictures", "P"),
        ("lr-schedules", "Four schedules of the learning rate", "K6 learning rate decay", "X"),
    ),
    **_figures(
        "training",
        (
            "activations",
            "Activations at seven points",
            "K3 activation functions",
            "P",
            "hendrycks2016gaussian clevert2016fast",
        ),
        ("no-nonlinearity", "Two linear layers are one", "K3 activation functions; B non-linearities", "X"),
        ("weight-decay", "A penalty as weight decay", "K5 regularization", "X"),
        ("bn-example", "Batch normalisation of four numbers", "V; C; K5 batch normalization", "X", "ioffe2015batch"),
        ("bn-modes", "Batch normalisation in training and evaluation", "C batch normalization", "E", "ioffe2015batch"),
        (
            "norm-axes",
            "Four normalisations by their axes",
            "K5 normalization layers",
            "P",
            "ioffe2015batch ba2016layer ulyanov2016instance wu2018group",
        ),
        ("dropout-scale", "Dropout keeps the mean", "K5 dropout", "X", "srivastava2014dropout"),
        ("dropout-conspiracy", "One large conspiracy or ten small ones", "V dropout", "X", "srivastava2014dropout"),
        ("train-statistics", "Statistics of the training images only", "K3; K4 preprocessing", "X"),
        ("split-sizes", "How many images go where", "K4 train, dev, test; B cross-validation", "X"),
        ("ng-errors", "Bias, variance, and the gap of the test set", "B properties", "X", "ng2018machine"),
        ("small-sums", "Four sums in passing", "K1; K7", "X"),
    ),
    **_figures(
        "augmentation",
        (
            "augment-grid",
            "One picture under thirteen changes",
            "K5 data augmentation; V",
            "P",
            "zhang2018mixup yun2019cutmix devries2017improved zhong2020random",
        ),
    ),
    **_figures(
        "starts",
        ("init-small", "Weights times .01, tanh", "K4 weight initialization; K5", "E"),
        (
            "init-xavier-tanh",
            "Weights over the root of inputs, tanh",
            "K4 weight initialization",
            "E",
            "glorot2010understanding",
        ),
        ("init-xavier-relu", "The same weights, ReLU", "K4 weight initialization", "E", "glorot2010understanding"),
        ("init-he-relu", "Twice the variance, ReLU", "K4 weight initialization", "E", "he2015delving"),
        ("exploding-product", "Fifty layers of one gain", "C deep nets", "E"),
    ),
    **_figures(
        "chains",
        ("lenet5-params", "LeNet-5 as published", "V LeNet-5; K6 LeNet-5", "A", "lecun1998gradient"),
        ("alexnet-table", "AlexNet layer by layer", "K4 AlexNet example; K6 AlexNet", "A", "krizhevsky2012imagenet"),
        ("alexnet-input", "227 pixels, not 224", "K4 AlexNet example", "X", "krizhevsky2012imagenet"),
        ("alexnet-neurons", "Neurons of AlexNet", "U figure 2; V AlexNet", "A", "krizhevsky2012imagenet"),
        ("alexnet-drop", "Parameters that go with layers", "C breaking things", "A", "zeiler2014visualizing"),
        ("lrn", "Local response normalisation", "K6 AlexNet", "X", "krizhevsky2012imagenet"),
        ("zfnet-params", "ZFNet and its wider variant", "K6 ZFNet", "A", "zeiler2014visualizing"),
        ("vgg-table", "Parameters of the VGG nets", "K6 VGG", "A", "simonyan2015very"),
    ),
    **_figures(
        "inceptions",
        ("inception-naive", "An Inception module without reductions", "K6 GoogLeNet", "X", "szegedy2015going"),
        ("inception-module", "An Inception module with reductions", "K6 GoogLeNet", "X", "szegedy2015going"),
        ("googlenet-table", "GoogLeNet's table counted again", "K6 GoogLeNet", "A", "szegedy2015going"),
    ),
    **_figures(
        "modern",
        ("residual-identity", "A residual block of zeros passes all on", "K6 ResNet; C ResNet", "X", "he2016deep"),
        ("block-costs", "Three blocks of equal cost", "K6 ResNet; K7 figure 1", "A", "he2016deep xie2017aggregated"),
        ("cifar-resnet-params", "Residual nets for 32x32 images", "C ResNet", "A", "he2016deep"),
        ("mobilenet-table", "MobileNet's table", "K7 table 1", "A", "howard2017mobilenets"),
        (
            "cbam-table",
            "What attention adds to eight nets",
            "K8 CBAM",
            "A",
            "woo2018cbam hu2018squeeze zagoruyko2016wide",
        ),
        ("dense-links", "Links of a dense block", "K7 DenseNet; U DenseNet", "A", "huang2017densely"),
        ("efficientnet", "EfficientNet's scaling", "K7 EfficientNet", "A", "tan2019efficientnet"),
    ),
    **_figures(
        "attention",
        ("vit-tokens", "An image as 197 tokens", "K8 vision transformer", "A", "dosovitskiy2021image"),
        ("pos-encoding", "Sines and cosines of places", "K8 positional encoding", "P", "vaswani2017attention"),
        ("attention-scale", "Why attention divides by the root of d", "K8 attention", "E", "vaswani2017attention"),
        ("self-attention", "Attention does not know order", "K8 self-attention", "X", "vaswani2017attention"),
    ),
    **_figures(
        "generative",
        ("cgan-params", "The conditional GAN's generator", "K12 conditional GAN", "A", "mirza2014conditional"),
        ("dcgan-shapes", "DCGAN's maps", "C generator", "A", "radford2016unsupervised"),
        ("restoration-nets", "Nets that mend images", "V image restoration", "A", "dong2014learning sun2015learning"),
        ("age-loss", "A loss for ages", "K7 all-in-one face analysis", "A", "ranjan2017allinone"),
        ("gan-gradient", "Two losses of a generator", "K12 GAN", "X", "goodfellow2014generative"),
        (
            "fool-linear-10",
            "A linear classifier fooled by hand",
            "V fooling linear classifiers",
            "X",
            "goodfellow2015explaining",
        ),
    ),
    **_figures(
        "dreams",
        (
            "dream",
            "A net dreams of clouds and of noise",
            "B; U; K11",
            "P",
            "mordvintsev2015inceptionism mordvintsev2015deepdream",
        ),
        needs="weights of SqueezeNet 1.0",
    ),
    **_figures(
        "units",
        (
            "filters-first",
            "First-layer filters beside Gabor functions",
            "B; V; C; U; K5; K11",
            "P",
            "jones1987evaluation krizhevsky2012imagenet",
        ),
        (
            "top-patches",
            "What excites units most, cropped to what they see",
            "V; K11; B",
            "P",
            "zeiler2014visualizing",
        ),
        ("field-sizes", "How far units see, in theory and under an occluder", "B", "E", "zhou2015object"),
        needs="weights of SqueezeNet 1.0 and of ResNet-20, photographs of ImageNet",
        cost="m",
    ),
    **_figures(
        "styles",
        (
            "style",
            "Content and style against each other",
            "B style; V style; U style",
            "P",
            "gatys2016image gatys2015neural simonyan2015very",
        ),
        ("style-video", "A film in another style", "U style of videos", "P", "ruder2016artistic"),
    ),
    **_figures(
        "trained",
        ("cifar-resnet-error", "Two residual nets on CIFAR-10", "C ResNet", "E", "he2016deep"),
        needs="the test images of CIFAR-10, weights of ResNet-20 and ResNet-32",
    ),
    **_figures(
        "budgets",
        (
            "batch-sizes",
            "Batches of 1, of 128, of everything",
            "K5 mini-batch gradient descent",
            "E",
            "robbins1951stochastic",
        ),
        needs="FashionMNIST",
        cost="m",
    ),
    **_figures(
        "budgets",
        ("lenet5-mnist", "LeNet-5 on MNIST", "V LeNet-5; K4 LeNet-5", "E", "lecun1998gradient"),
        needs="MNIST",
        cost="m",
    ),
    **_figures(
        "attended",
        (
            "vit-positions",
            "A transformer learns which patches are neighbours",
            "K8 vision transformer",
            "P",
            "dosovitskiy2021image",
        ),
        needs="FashionMNIST",
        cost="m",
    ),
    **_figures(
        "inner",
        (
            "unit-labels",
            "Units that detect an object, layer by layer",
            "B object detectors",
            "E",
            "bau2017network zhou2015object",
        ),
        needs="the street scenes of CamVid, weights of SqueezeNet 1.0",
        cost="m",
    ),
    **_figures(
        "organised",
        ("neocognitron", "A neocognitron and digits that move", "V neocognitron", "E", "fukushima1980neocognitron"),
        cost="m",
    ),
    **_figures(
        "inner",
        (
            "drop-layers",
            "A net trained again without layers",
            "C removing layers",
            "E",
            "krizhevsky2012imagenet zeiler2014visualizing",
        ),
        needs="FashionMNIST",
        cost="m",
    ),
    **_figures(
        "inversion",
        (
            "inversion-curve",
            "What each layer of ResNet-20 still knows of an image",
            "B; V",
            "E",
            "mahendran2015understanding",
        ),
        needs="the test images of CIFAR-10, weights of ResNet-20",
    ),
    **_figures(
        "neighbours",
        (
            "embed-neighbours",
            "The six nearest images by a net's code and by pixels",
            "K11 last layer; B embeddings",
            "P",
            "krizhevsky2012imagenet vandermaaten2008visualizing",
        ),
        needs="photographs of ImageNet, the test images of CIFAR-10, weights of SqueezeNet 1.0 and ResNet-20",
        cost="m",
    ),
    **_figures(
        "transferring",
        (
            "off-the-shelf",
            "The code of a net that knows other images, on one to fifteen photographs a class",
            "V; C; K6 features off the shelf",
            "E",
            "donahue2014decaf dalal2005histograms",
        ),
        (
            "finetune-policies",
            "The last layer alone, or every layer, with five photographs a class",
            "K7 fine-tuning; V",
            "E",
            "yosinski2014transferable donahue2014decaf",
        ),
        needs="ten textures of DTD, weights of SqueezeNet 1.0",
        cost="m",
    ),
    **_figures(
        "joined",
        (
            "transfer-curve",
            "First layers of other classes, kept or learning on",
            "V transferable features",
            "E",
            "yosinski2014transferable",
        ),
        needs="FashionMNIST",
        cost="m",
    ),
    **_figures(
        "painted",
        (
            "class-images",
            "What MobileNetV2 holds for typical of twelve classes",
            "K11; V; U; B",
            "P",
            "simonyan2013deep olah2017feature",
        ),
        needs="weights of MobileNetV2 and of SqueezeNet 1.0",
    ),
    **_figures(
        "searching",
        (
            "search-trials",
            "How many trials a grid, random search and TPE need",
            "B; K7 hyperparameters",
            "E",
            "bergstra2012random bergstra2011algorithms",
        ),
        cost="m",
    ),
    **_figures(
        "generators",
        (
            "deep-generator",
            "Digits through a learnt generator",
            "C DGN-AM",
            "E",
            "nguyen2016synthesizing dosovitskiy2016generating",
        ),
        cost="m",
    ),
    **_figures(
        "fooling",
        (
            "fooling-noise",
            "Noise and patterns that a net is sure of",
            "V fooling; C fooling; K11 fooling images",
            "E",
            "nguyen2015deep",
        ),
        needs="the digits of MNIST",
    ),
    **_figures(
        "saliency",
        (
            "saliency",
            "Where a net looks, and the bird cut out by it",
            "K11; C",
            "P",
            "simonyan2013deep rother2004grabcut",
        ),
        needs="a photograph with a mask, weights of a net trained on ImageNet, and opencv-python-headless",
    ),
    **_figures(
        "breaking",
        ("panda", "One step of the gradient", "V; K11 the panda", "E", "goodfellow2015explaining"),
        ("ostrich", "Everything is an ostrich", "V; C; B adversarial examples", "E", "szegedy2014intriguing"),
        ("universal", "One difference fools them all", "C universal perturbations", "E", "moosavi2017universal"),
        ("patch", "A sticker that is a toaster", "K11; B adversarial patch", "E", "brown2017adversarial"),
        ("one-pixel", "One pixel is enough", "C; K11 one-pixel attack", "E", "su2019one"),
        needs="photographs of ImageNet or CIFAR-10, and weights of nets trained on them",
        cost="m",
    ),
    **_figures(
        "projected",
        (
            "guided-deconv",
            "What excites a unit, by three rules of the rectifier",
            "K11; C; V guided backpropagation",
            "P",
            "springenberg2015striving zeiler2014visualizing",
        ),
        needs="photographs of ImageNet, and weights of SqueezeNet 1.0",
    ),
    **_figures(
        "occluding",
        (
            "occlusion",
            "Where a photograph may not be covered",
            "K11 occlusion; U occlusion",
            "P",
            "zeiler2014visualizing",
        ),
        needs="a photograph of a bird, and SqueezeNet trained on ImageNet",
    ),
    **_figures(
        "masked",
        (
            "fool-linear",
            "Digits fool softmax regression",
            "V fooling linear classifiers",
            "E",
            "goodfellow2015explaining",
        ),
        (
            "masked-gradients",
            "Defences that only hide the gradient",
            "B obfuscated gradients",
            "E",
            "athalye2018obfuscated madry2018towards",
        ),
        needs="the digits of MNIST",
        cost="m",
    ),
    **_figures(
        "linear",
        (
            "perceptron",
            "The perceptron rule on Mark I's 20 x 20 image",
            "K3 Mark I; V",
            "E",
            "rosenblatt1958perceptron freund1999large",
        ),
        (
            "linear-templates",
            "A linear classifier's weights are templates",
            "K2 visual interpretation",
            "P",
            "cox1958regression",
        ),
        needs="the digits of MNIST",
        cost="m",
    ),
    **_figures(
        "histograms",
        (
            "hog-adversarial",
            "Histograms of gradients are fooled too",
            "K11 adversarial images",
            "E",
            "dalal2005histograms madry2018towards",
        ),
        needs="patches with and without faces (LFW)",
    ),
    **_figures(
        "depth",
        ("plain-residual", "Deeper plain nets fit worse, residual ones do not", "C; K6", "E", "he2016deep"),
        needs="FashionMNIST",
    ),
    **_figures(
        "dropping",
        (
            "dropout-features",
            "Dropout makes the units of an autoencoder sparse",
            "K5 Fig. 7",
            "P",
            "srivastava2014dropout",
        ),
        needs="the digits of MNIST",
        cost="m",
    ),
    **_figures(
        "starting",
        ("zero-init", "A net whose weights start at zero", "K3 initialization; B zero weights", "E", "he2015delving"),
        (
            "bn-mnist",
            "Batch normalisation wakes sigmoid layers",
            "V batch normalization; C batch normalization",
            "E",
            "ioffe2015batch",
        ),
        needs="the digits of MNIST",
        cost="m",
    ),
    **_figures(
        "starting",
        (
            "he-30-layers",
            "Thirty layers with two kinds of starting weights",
            "K4 figures 2 and 3",
            "E",
            "he2015delving",
        ),
        needs="FashionMNIST",
        cost="m",
    ),
    **_figures(
        "trees",
        ("drm", "Max-sum on a tree as a net", "V deep rendering model", "X", "patel2016probabilistic"),
        ("dpm-cnn", "Deformable parts as layers", "V DPM as CNN", "X", "girshick2015deformable"),
        ("seg-patch-cost", "Patch by patch, or in one pass", "K9 sliding window", "X", "long2015fully"),
        ("illusions", "Equal greys, parallel lines", "B simultaneous contrast; K11 illusions", "P"),
    ),
}

FIGURES: Registry[Callable[[], Computed]] = Registry("figure", _FIGURES, hint="striate reproduce")
