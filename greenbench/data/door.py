"""A workload's function, called when something of it is needed."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from greenbench.data.options import Options, place_of
from greenbench.errors import UserError
from greenbench.spec.fields import takes
from greenbench.spec.recipe import Size
from greenbench.spec.setting import Setting, Split
from greenbench.spec.workload import Data

if TYPE_CHECKING:
    import torch
    from torch import nn

    from greenbench.data.opened import Opened


class Door:
    """A workload's function, called when something of it is needed, and once for each data root."""

    def __init__(
        self,
        function: Callable[..., Any],
        options: Options,
        how_to_get: str,
        official: Mapping[Split, int | None],
    ) -> None:
        self._function, self._options, self._how_to_get = function, options, how_to_get
        self._official = official
        self._opened: dict[Path | None, Opened] = {}
        parameters = inspect.signature(function).parameters.values()
        for parameter in parameters:
            if parameter.name not in ("root", "device") and parameter.default is parameter.empty:
                raise UserError(
                    f"the function of workload {options.name!r} takes {parameter.name!r}, and can be given root and "
                    "device",
                    "name its parameter root",
                )
        names = {parameter.name for parameter in parameters}
        self.needs_root = "root" in names
        self._makes_batches = "device" in names
        if self._makes_batches and options.network is None:
            raise UserError(
                f"workload {options.name!r} makes its own batches (its function takes device) and states no network",
                "give network=",
            )
        stated = None not in (options.network, options.num_classes, options.image_size)
        self.needs_no_data = stated or self._makes_batches
        """Whether all but the training can do without."""

    def data(self, root: Path | None, device: torch.device, setting: Setting | None = None) -> Data:
        """As `Workload.data`."""
        if not self._makes_batches:
            return self._open(root).data(device, setting, self._official)
        data = self._call(root, device)
        if not hasattr(data, "training_batches"):
            raise UserError(
                f"workload {self._options.name!r} returned {type(data).__name__}; its function takes device and so "
                "makes the batches",
                "return what has the methods of greenbench.spec.workload.Data, or leave device out",
            )
        if hasattr(data, "at"):
            data = data.at(setting, self._official)
        elif setting is not None and (setting.subset or setting.image_size):
            raise UserError(
                f"workload {self._options.name!r} has a setting with a subset or an image size, which its own "
                f"{type(data).__name__} cannot give",
                "leave them out of the setting, or give the data a method at(setting, official)",
            )
        made: Data = data
        return made

    def network(self, num_classes: int | None, setting: Setting, root: Path | None) -> nn.Module:
        """As `Workload.network`."""
        factory = self._options.network
        if factory is None or not self.needs_no_data:
            return self._open(root).network(num_classes, setting, root)
        return factory() if takes(factory) else factory(num_classes, setting, root)

    def facts(self, root: Path | None) -> tuple[int | None, Size | None]:
        """As `Workload.facts`."""
        opened = self._open(root)
        return opened.num_classes, opened.image_size

    def inputs(
        self, batch_size: int, image_size: Size | None, generator: torch.Generator, root: Path | None
    ) -> Any:
        """As `Workload.inputs`."""
        import torch

        from greenbench.data.opened import example

        return example(self.data(root, torch.device("cpu")), batch_size, image_size, generator)

    def samples(self, root: Path | None, split: Split) -> Any:
        """As `Workload.samples`."""
        return None if self._makes_batches else self._open(root).samples(split)

    def _open(self, root: Path | None) -> Opened:
        from greenbench.data.opened import Opened

        if root not in self._opened:
            self._opened[root] = Opened(self._call(root, None), self._options)
        return self._opened[root]

    def _call(self, root: Path | None, device: torch.device | None) -> Any:
        given = {
            **({"root": root} if self.needs_root else {}),
            **({"device": device} if self._makes_batches else {}),
        }
        name = self._options.name
        if self.needs_root and root is None:
            raise UserError(
                f"workload {name!r} needs a data root", "give --green-data, or let its function take nothing"
            )
        try:
            return self._function(**given)
        except UserError:
            raise
        except (Exception, SystemExit) as error:
            place = place_of(error, self._function.__code__.co_filename)
            raise UserError(
                f"the function of workload {name!r} fails ({place}): {type(error).__name__}: {error}",
                self._how_to_get or "mend it",
            ) from error
