"""The five measured times of a job as bars on one scale."""

from __future__ import annotations

from dataclasses import dataclass

THINNEST = 0.4
"""Per cent: a bar that is there must be seen."""


@dataclass(frozen=True)
class Bar:
    name: str
    words: str
    ms: float
    x: float  #: per cent of the scale
    width: float


def bars(timings: dict[str, float | None]) -> list[Bar]:
    """Those that are known, where they lie between the request and the payment."""
    prv, cmp, rsp = (timings[name] or 0.0 for name in ("t_prv_ms", "t_cmp_ms", "t_rsp_ms"))
    # The machine's clock says how long, not when. It began no later than we heard of it.
    began = max(0.0, min(prv, rsp - cmp)) if rsp else prv
    spans = [
        ("T_prc", "request to machine", timings["t_prc_ms"], 0.0),
        ("T_prv", "request to start", timings["t_prv_ms"], 0.0),
        ("T_cmp", "pull and run", timings["t_cmp_ms"], began),
        ("T_rsp", "request to result", timings["t_rsp_ms"], 0.0),
        ("T_bil", "result to payment", timings["t_bil_ms"], rsp),
    ]
    scale = max((start + ms for _, _, ms, start in spans if ms is not None), default=0.0) or 1.0
    return [
        Bar(name, words, ms, _percent(start, scale), max(THINNEST, _percent(ms, scale)))
        for name, words, ms, start in spans
        if ms is not None
    ]


def _percent(ms: float, scale: float) -> float:
    return round(min(100.0 - THINNEST, ms / scale * 100), 2)
