"""The kinds of images that can be made."""

from __future__ import annotations

from typing import Any

from striate.core.registry import Entry, Registry

METHODS: Registry[Any] = Registry(
    "kind of synthesis",
    {
        "class": Entry(
            "striate.synthesis.visualise:class_images",
            "class images: ascend a class's score from mid grey, less a penalty on the contrast",
            ("simonyan2013deep",),
        ),
        "fool": Entry(
            "striate.synthesis.fool:fooling_images",
            "fooling images: what a net is sure of and nobody else sees, by gradient or evolved by MAP-Elites",
            ("nguyen2015deep",),
        ),
        "caricature": Entry(
            "striate.synthesis.caricature:caricatures",
            "caricatures: from noise as far as an image goes along the code of a picture in a layer",
            ("olah2017feature", "carter2019activation"),
        ),
        "channel": Entry(
            "striate.synthesis.units:channel_images",
            "channel images: ascend the mean of a channel, of every channel of a layer at once",
            ("olah2017feature", "erhan2009visualizing"),
        ),
        "direction": Entry(
            "striate.synthesis.units:direction_images",
            "direction images: ascend a direction among a layer's channels, that of pictures or a random one",
            ("olah2017feature",),
        ),
        "facets": Entry(
            "striate.synthesis.facets:facet_images",
            "multifaceted class images: begin with means of pictures that the net holds for alike",
            ("nguyen2016multifaceted", "lloyd1982least"),
        ),
        "layer": Entry(
            "striate.synthesis.units:layer_images",
            "layer images: ascend the energy of a layer from noise",
            ("mordvintsev2015inceptionism", "olah2017feature"),
        ),
        "pair": Entry(
            "striate.synthesis.units:pair_images",
            "neuron pairs: ascend two channels at once, beside each alone",
            ("olah2017feature",),
        ),
        "unit": Entry(
            "striate.synthesis.units:unit_images",
            "unit images: ascend one unit at its place",
            ("erhan2009visualizing", "olah2017feature"),
        ),
        "dream": Entry(
            "striate.synthesis.dream:dream",
            "DeepDream: ascend a layer's energy from a picture or noise, octave by octave",
            ("mordvintsev2015inceptionism", "mordvintsev2015deepdream"),
        ),
        "style": Entry(
            "striate.synthesis.style:style_images",
            "style transfer: the codes of one picture with the Gram matrices of others",
            ("gatys2016image",),
        ),
        "stylize": Entry(
            "striate.synthesis.painter:stylized",
            "fast style: any picture in a style that a painter has learnt, in one pass",
            ("johnson2016perceptual", "ulyanov2016instance"),
        ),
        "invert": Entry(
            "striate.synthesis.invert:invert",
            "inversion: the picture whose code at a layer is that of a given one, and what is lost with depth",
            ("mahendran2015understanding",),
        ),
        "morph": Entry(
            "striate.synthesis.morph:morph",
            "morphs: frames between two pictures, by pixels, by the codes of a layer, or by those of a generator",
            ("shoemake1985animating", "white2016sampling"),
        ),
        "mrf_style": Entry(
            "striate.synthesis.mrf:patch_style_images",
            "style transfer by patches: each patch of the codes near one of the style's",
            ("li2016combining",),
        ),
        "style_film": Entry(
            "striate.synthesis.film_style:style_film",
            "style transfer for films: frames that begin as, and keep to, earlier ones moved along the optical flow",
            ("ruder2016artistic",),
        ),
        "texture": Entry(
            "striate.synthesis.texture:textures",
            "texture: noise brought to the Gram matrices of a picture",
            ("gatys2015texture",),
        ),
    },
    hint="striate methods",
)
