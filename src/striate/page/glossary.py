"""The field's terms, each explained once."""

from __future__ import annotations

TERMS: dict[str, tuple[str, str]] = {
    "accuracy": ("accuracy", "Share of the images whose class the net names rightly."),
    "chance": ("chance", "Accuracy of always naming the most frequent class: what a net must beat."),
    "interval": (
        "95 % interval",
        "Range in brackets that holds the true value in 95 of 100 such measurements; Wilson's for shares.",
    ),
    "top5": ("top-5 accuracy", "Share of the images whose class is among the net's five best guesses."),
    "loss": (
        "loss",
        "Mean cross-entropy: how surprised the net is by the true class, in nats. 0 is certain and right.",
    ),
    "recall": ("recall", "Of the images of a class, the share that the net finds."),
    "precision": ("precision", "Of the images that the net gives a class, the share that belongs to it."),
    "f1": ("F1", "Harmonic mean of precision and recall."),
    "confidence": ("confidence", "Probability that the net gives to the class it names."),
    "ece": (
        "calibration error",
        "Expected calibration error: mean distance between confidence and the share that is right, over bins of equal "
        "width, weighted by images. 0 is a net that is as sure as it is right.",
    ),
    "brier": ("Brier score", "Mean squared distance between the probabilities and the truth. 0 is best, 2 is worst."),
    "slice": ("slice", "Images that share something: a class, how bright they are, what a column says of them."),
    "auc": (
        "AUC",
        "Area under the ROC curve: the chance that an image of the class gets a higher probability than another one.",
    ),
    "average_precision": (
        "average precision",
        "Precision averaged over all recalls: area under the precision-recall curve, as a sum of steps.",
    ),
    "fpr": ("false positive rate", "Of the images of other classes, the share that is taken for the class."),
    "aurc": ("area under the risk-coverage curve", "Share wrong, averaged over all shares answered. 0 is best."),
    "label_quality": (
        "label quality",
        "How well the label fits what nets that never saw it say of the image, from 0 (suspect) to 1.",
    ),
    "temperature": (
        "temperature",
        "One number by which all logits are divided so that confidence fits the share that is right.",
    ),
    "adaptive": ("adaptive calibration error", "The calibration error over bins that hold equally many images."),
    "classwise": ("classwise calibration error", "The calibration error of each class's probability, averaged."),
    "mcnemar": (
        "McNemar's test",
        "Whether two nets differ in accuracy, from the images that only one of them has right.",
    ),
    "leak": ("leak", "The same or nearly the same image, or images of one group, on both sides of a split."),
    "near_duplicate": (
        "near duplicate",
        "The same picture saved again, resized or cropped: proposed by a hash, confirmed by its pixels.",
    ),
    "shift": ("shift", "Train and test images that a classifier can tell apart: they do not come from one source."),
    "confusion": (
        "confusion matrix",
        "Counts of images by true class (row) and by the class that the net names (column).",
    ),
    "robust": (
        "robust accuracy",
        "Share of the images that are right and stay right under attack: an upper bound, as a stronger attack may find "
        "more.",
    ),
    "radius": (
        "radius",
        "Largest change that an attack may make to an image, measured in a norm; black is 0 and white 1.",
    ),
    "norm": ("norm", "How a change is measured: L∞ by the largest change of a pixel, L2 by the root of the squares."),
    "attack": ("attack", "Search for a small change of an image that makes the net wrong."),
    "fgsm": ("FGSM", "Fast gradient sign method: one step of full length that raises the loss most."),
    "pgd": ("PGD", "Projected gradient descent: many small steps that raise the loss, each held within the radius."),
    "masking": (
        "masked gradients",
        "Gradients that are zero or mislead: the net looks robust because the attack is blind.",
    ),
    "gradient": ("gradient", "How much the output moves when a pixel does, by the size of the derivative."),
    "gradient_x_input": ("gradient x input", "The gradient times the pixel itself: its share, were the net linear."),
    "smooth_grad": ("SmoothGrad", "The gradient averaged over noisy copies of the image."),
    "var_grad": ("VarGrad", "How much the gradient varies over noisy copies of the image."),
    "integrated_gradients": (
        "integrated gradients",
        "The rise of the output from a plain image to this one, shared out along the straight path between them.",
    ),
    "expected_gradients": (
        "expected gradients",
        "Integrated gradients from many images instead of a plain one, averaged.",
    ),
    "guided_backprop": (
        "guided backpropagation",
        "The gradient, with what is negative stopped at each rectifier: edges that the net sees, of whatever class.",
    ),
    "deconvnet": ("deconvnet", "The class carried back through the net's filters, with rectifiers on the way back."),
    "guided_grad_cam": (
        "guided Grad-CAM",
        "Guided backpropagation where Grad-CAM is high: fine edges, coarsely placed.",
    ),
    "lrp": (
        "LRP",
        "Layer-wise relevance propagation: the output shared out layer by layer, each with the rule for it.",
    ),
    "lrp_epsilon": ("LRP-ε", "Relevance in proportion to contributions; what nearly cancels is damped."),
    "lrp_gamma": ("LRP-γ", "Relevance in proportion to contributions, positive ones favoured."),
    "lrp_z_plus": ("LRP-z+", "Relevance in proportion to positive contributions alone."),
    "lrp_alpha_beta": ("LRP-αβ", "Relevance for positive and for negative contributions, weighed apart."),
    "deep_lift": ("DeepLIFT", "The difference of the output from a baseline's, shared out layer by layer."),
    "rise": ("RISE", "How much higher the output is where random masks leave the pixel visible."),
    "extremal_perturbation": (
        "extremal perturbation",
        "The part of the image, of a stated size, that alone keeps the output highest.",
    ),
    "grad_cam": ("Grad-CAM", "A layer's channels, weighted by how much each raises the class, kept where positive."),
    "grad_cam_plus_plus": ("Grad-CAM++", "Like Grad-CAM, with weights that count every place of an object alike."),
    "hires_cam": ("HiResCAM", "A layer's values, each times its own gradient: what speaks for and against the class."),
    "layer_cam": ("LayerCAM", "A layer's values, each times its own gradient where that is positive."),
    "score_cam": ("Score-CAM", "A layer's channels, weighted by what the net says of the image seen through each."),
    "ablation_cam": ("Ablation-CAM", "A layer's channels, weighted by how far the output falls without each."),
    "attention_rollout": (
        "attention rollout",
        "The share of each patch in what the head reads, through all attention.",
    ),
    "gradient_attention": (
        "gradient times attention",
        "Attention that raises the class, followed from the head back to the patches.",
    ),
    "occlusion": ("occlusion", "How far the output falls when a patch over this place hides the image."),
    "deletion": (
        "deletion",
        "Area under the target's probability while a map's highest pixels are covered first. Lower is better.",
    ),
    "insertion": (
        "insertion",
        "Area under the target's probability while a blurred image gets a map's highest pixels back. Higher is better.",
    ),
    "pixel_flipping": (
        "pixel flipping",
        "Mean fall of the target's logit while a map's strongest regions become noise. Higher is better.",
    ),
    "road": (
        "ROAD",
        "Mean of the target's probability while a map's highest pixels are filled in from their neighbours. Lower is "
        "better.",
    ),
    "sensitivity_n": (
        "sensitivity-n",
        "Correlation of what a map gives to random parts with what the logit loses without them. Higher is better.",
    ),
    "infidelity": (
        "infidelity",
        "Share of the logit's changes under random changes of the image that a map does not foretell. Lower is better.",
    ),
    "max_sensitivity": (
        "max-sensitivity",
        "How far a map moves, as a share of itself, when the image is changed by next to nothing. Lower is better.",
    ),
    "pointing_game": ("pointing game", "Whether a map's highest pixel lies on the object."),
    "iou": ("IoU", "Area that two regions share over the area that either covers. 1 is the same region."),
    "spearman": (
        "rank correlation",
        "Spearman's: whether two maps put pixels in the same order. 1 is the same order, 0 none in common.",
    ),
    "ssim": ("structural similarity", "SSIM: how alike two pictures are in light, contrast and structure. 1 is equal."),
    "logit": ("logit", "A net's output for a class before it is turned into a probability."),
    "nats": ("nats", "Unit of information with the natural logarithm; 0.69 nats are one bit."),
    "dev": ("dev split", "Images kept from training, by which the best epoch is chosen; the test split is untouched."),
    "epoch": ("epoch", "One pass over all training images."),
    "macs": ("multiply-adds", "Multiplications with their additions that one image takes."),
    "field": ("receptive field", "Square of input pixels that one unit can see."),
    "judge": ("judge", "Another net, trained apart, that is asked what it sees in the painted images."),
}


class Terms:
    """Terms that a page has used, in the order of the glossary."""

    def __init__(self) -> None:
        self._used: set[str] = set()

    def explain(self, key: str) -> str:
        """What the term means; it will stand in the page's glossary."""
        self._used.add(key)
        return TERMS[key][1]

    def used(self) -> list[tuple[str, str, str]]:
        """(key, term, meaning) of every term that was used."""
        return [(key, *TERMS[key]) for key in TERMS if key in self._used]
