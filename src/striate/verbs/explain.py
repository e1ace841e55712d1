"""`striate explain`: which pixels made a net say so."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Unpack

from striate.core.report import Report
from striate.inside.payload import Explanation

from .options import Computing, ImagesLike, NetArgument, Option, count, words
from .session import session, shown, write_out


def explain(
    net: NetArgument,
    images: Annotated[ImagesLike, Option("image files, or a folder of them", "IMAGE", many=True)],
    *,
    method: Annotated[
        str | tuple[str, ...], Option("one or several of gradient, grad_cam, occlusion", "M[,M]", words)
    ] = ("gradient", "grad_cam", "occlusion"),
    target: Annotated[
        str | None, Option("class to explain, for all images (default: what the net says of each)", "CLASS")
    ] = None,
    layer: Annotated[
        str | None, Option("site or module path that grad_cam looks at (default: the last with extent)", "SITE")
    ] = None,
    patch: Annotated[
        int | None, Option("side of the occluding patch in pixels", "PX", parse=lambda text: count(text, "patch"))
    ] = None,
    stride: Annotated[
        int | None, Option("step of the occluding patch in pixels", "PX", parse=lambda text: count(text, "stride"))
    ] = None,
    out: Annotated[str | Path | None, Option("folder for maps and pictures", "DIR")] = None,
    **shared: Unpack[Computing],
) -> Report[Explanation]:
    """Show which pixels made a net say so: maps with raw values, pictures, and each map's own check.

    Without a target each image is explained for the class that the net predicts for it. Maps are written as npz files
    whose ``values`` are raw and signed, (H, W) or (C, H, W) in the net's input pixels.
    """
    given = {
        "net": net,
        "images": images,
        "method": method,
        "target": target,
        "layer": layer,
        "patch": patch,
        "stride": stride,
        "out": out,
    }
    with session("explain", given, shared, Computing) as run:
        from striate.core.progress import Progress
        from striate.inside.attribution import METHODS
        from striate.inside.explain import explain as explain_images
        from striate.inside.findings import explanation_findings

        from .images import check_paths, open_images

        methods = words(method) if isinstance(method, str) else tuple(method)
        cites = [key for name in methods for key in METHODS[name].cites]
        check_paths(images)
        loaded = run.net(net)
        names, pixels, left_out = open_images(images, loaded)
        result, album, arrays = explain_images(
            loaded,
            pixels,
            names,
            methods=methods,
            targets=target,
            same_target=target is not None,
            layer=layer,
            patch=patch,
            stride=stride,
            memory=run["memory"],
            progress=Progress(quiet=run["quiet"]),
        )
        findings = (*left_out, *explanation_findings(result, net=str(shown(net))))
        report = run.report(result, findings=findings, album=album, arrays=arrays, cites=cites)
        return write_out(report, out, overwrite=run["overwrite"])
