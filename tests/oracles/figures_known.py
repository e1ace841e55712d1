"""Every figure that the lectures hold, by theme: those that are computed and those that are not there yet."""

from __future__ import annotations

KNOWN: dict[str, str] = {
    "Scores, losses, gradients": """
        linear-scores linear-templates hinge-example hinge-initial hinge-scaling l2-example l1-example
        softmax-example softmax-initial numerical-gradient gradient-check graph-abc graph-xy graph-xyz graph-neuron
        graph-gates long-derivative layer-backward mlp-shapes
    """,
    "Measures": """
        tumour lever-table f-beta roc-auc seg-metrics ap-example nms-example
    """,
    "Convolution, pooling, up-sampling, boxes": """
        conv-sum filters-effect conv-sizes conv-quiz pool-4x4 pool-k6 local-sharing vgg-stack alexnet-fields
        fc-as-conv sliding-conv depthwise-ratio upsample-2x2 bilinear-point max-unpool transposed-conv
        transposed-size one-hot-planes roi-pool iou-threshold rpn-anchors box-codes smooth-l1 yolo-tensor haar-count
        unet-size
    """,
    "Training": """
        feature-scaling activations no-nonlinearity zero-init init-small init-xavier-tanh init-xavier-relu
        init-he-relu he-30-layers exploding-product weight-decay ewa-window ewa-bias bn-example bn-modes bn-mnist
        norm-axes dropout-scale dropout-conspiracy dropout-features train-statistics augment-grid batch-sizes
        optimiser-steps momentum-forms optimiser-race lr-schedules split-sizes ng-errors data-curve search-trials
        eleven-faults small-sums
    """,
    "Architectures": """
        lenet5-params alexnet-table alexnet-input alexnet-neurons alexnet-drop lrn zfnet-params vgg-table
        inception-naive inception-module googlenet-table residual-identity block-costs cifar-resnet-params
        mobilenet-table cbam-table dense-links efficientnet cost-plot vit-tokens pos-encoding attention-scale
        self-attention cgan-params dcgan-shapes restoration-nets age-loss
    """,
    "Experiments and pictures": """
        perceptron lenet5-mnist drop-layers relu-tanh cifar-resnet-error plain-residual finetune-policies
        transfer-curve off-the-shelf embed-neighbours multi-task siamese filters-first top-patches field-sizes
        unit-labels occlusion saliency guided-deconv class-images deep-generator inversion-curve dream style
        style-video distilled-digits fool-linear-10 fool-linear panda ostrich fooling-noise universal one-pixel
        patch hog-adversarial masked-gradients fcn-camvid seg-patch-cost restore stereo-patches rcnn-ladder
        viola-jones dpm-cnn yolo-scenes gan-gradient gan-collapse cond-gan attgan cyclegan clip diffusion
        vit-positions captions mask-words drm neocognitron published-tables flow-depth-colour track chairs gan-walk
        selfie-crop illusions
    """,
}
IDS = frozenset(name for names in KNOWN.values() for name in names.split())
