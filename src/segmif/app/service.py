"""What the owner of a server decides, and what its routes share."""

from __future__ import annotations

from dataclasses import dataclass, field

from segmif.app.archives import ArchiveLimits
from segmif.app.jobs import Jobs
from segmif.app.models import Models
from segmif.app.security import MEGABYTE
from segmif.app.uploads import VideoLimits
from segmif.app.worker import Worker


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the owner of the server decides.

    Attributes:
        models: shipped names, folders or Hub ids, the first the default; empty: all shipped ones.
        device: as for `segmif.load`.
        dtype: likewise.
        backend: likewise.
        max_body: bytes of a pair.
        max_archive: bytes of an archive or of two videos.
        max_pixels: of a picture.
        queue: how many pairs, archives and videos may be arriving, waiting and running at once.
        timeout: seconds a pair may wait and run.
        allowed_hosts: names under which the page may be asked for, besides localhost and IP addresses.
    """

    models: tuple[str, ...] = ()
    device: str = "auto"
    dtype: str = "auto"
    backend: str | None = None
    max_body: int = 64 * MEGABYTE
    max_archive: int = 512 * MEGABYTE
    max_pixels: int = 12_000_000
    queue: int = 32
    timeout: float = 180.0
    allowed_hosts: tuple[str, ...] = ()
    archive: ArchiveLimits = field(default_factory=ArchiveLimits)
    video: VideoLimits = field(default_factory=VideoLimits)


@dataclass(frozen=True, kw_only=True)
class Service:
    """What the routes share."""

    settings: Settings
    models: Models
    worker: Worker
    jobs: Jobs
