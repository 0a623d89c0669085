"""Recording pairs from two cameras: sources, clocks, pairing by time, schedule, and files that survive a power cut.

Frames of two cameras (`frames`, `files`, `cameras`, `genicam`, `simulate`, found by `addresses`) flow through a feed
(`feed`), get a common time (`clock`, `motion`, `sync`), are paired (`match`), chosen (`schedule`), written
(`writer`, `manifest`) and shown (`preview`); `recorder` is the loop that holds it together.
"""
