"""Mutants of what the engine makes of its surroundings: deployments that go, stores that linger,
clocks that are set."""

from typing import Any

from orchestrator.log import known
from orchestrator.processor import leadership, reading
from orchestrator.processor.expiry import ExpiryClock
from orchestrator.processor.reading import PartitionStopped
from orchestrator.registry import apply_metadata
from orchestrator.registry.apply_metadata import MetadataState
from orchestrator.store.port import StoreError
from tests.simulation import versions
from tests.simulation.mutation import Patch, mutant


@mutant
def a_removed_deployment_takes_its_services_along(patch: Patch) -> None:
    """Though an older one is there."""

    def fall_back(state: MetadataState, names: set[str]) -> None:
        for name in names:
            del state.latest[name]

    patch.set(apply_metadata, "_fall_back", fall_back)


@mutant
def behaviour_comes_before_its_level(patch: Patch) -> None:
    """The newer version acts as it will, though an older one may take over."""
    patch.set(versions, "acts_newer", versions.is_newer)


@mutant
def the_level_of_a_store_is_not_looked_at(patch: Patch) -> None:
    """An older version goes on with what a newer one left."""
    patch.set(reading, "knows_level", lambda level: True)


@mutant
def the_identity_of_the_log_is_not_looked_at(patch: Patch) -> None:
    """A topic that was deleted and made anew is taken for the log."""
    patch.set(known, "verify_known", lambda wanted, identity: None)


@mutant
def a_store_that_is_locked_stops_its_partition(patch: Patch) -> None:
    """Instead of being waited for."""

    async def restore(*arguments: Any) -> Any:
        try:
            return await before(*arguments)
        except StoreError as error:
            raise PartitionStopped("PD0303", str(error)) from error

    before = patch.set(leadership, "restore", restore)


@mutant
def what_is_kept_expires_by_a_step_of_the_clock(patch: Patch) -> None:
    """Who asks again a moment after it finds nothing, and is served a second time."""
    patch.set(ExpiryClock, "now_ms", lambda self: self._clock.now_ms())
