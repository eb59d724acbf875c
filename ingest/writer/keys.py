"""Names to integer keys for one writer, remembered for a few seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

from domain.standards import canonical_factor
from storage.connection import Connection
from storage.intake.keys import DeviceKey, Named, find_devices, find_keys
from storage.registry import ensure_pending_devices, ensure_unknown_factors, factor_keys

#: How long a change of a device may go unseen. Approvals are seen at once: storage checks idle devices.
REMEMBER_SECONDS = 5.0
#: More names than this are forgotten together, so that invented ids cannot fill the memory.
REMEMBER_NAMES = 500_000


class Keys:
    """Looks up what a batch needs, each lookup in a transaction of its own."""

    def __init__(self, connection: Connection, clock: Callable[[], float] = time.monotonic) -> None:
        self._connection = connection
        self._clock = clock
        self._devices: dict[str, DeviceKey] = {}
        self._named: dict[Named, dict[str, int]] = {"outlet": {}, "meter": {}, "gate": {}}
        self._forget_at = 0.0
        with connection.transaction():
            self._factors = factor_keys(connection)

    def forget(self) -> None:
        """Ask the database again for everything that can change."""
        self._devices.clear()
        for names in self._named.values():
            names.clear()
        self._forget_at = self._clock() + REMEMBER_SECONDS

    def devices(self, mns: Iterable[str]) -> Mapping[str, DeviceKey]:
        """At least the devices of these MNs; one never seen before becomes a pending device."""
        self._forget_old()
        missing = [mn for mn in set(mns) if mn not in self._devices]
        if missing:
            with self._connection.transaction():
                found = find_devices(self._connection, missing)
                strange = [mn for mn in missing if mn not in found]
                if strange:
                    ensure_pending_devices(self._connection, strange)
                    found |= find_devices(self._connection, strange)
            self._devices |= found
        return self._devices

    def known_device(self, mn: str) -> DeviceKey | None:
        """The device of an MN if there is one; makes none."""
        self._forget_old()
        if mn not in self._devices:
            with self._connection.transaction():
                self._devices |= find_devices(self._connection, [mn])
        return self._devices.get(mn)

    def named(self, table: Named, ids: Iterable[str]) -> Mapping[str, int]:
        """The keys of those of these outlets, meters or gates that are registered (and of others)."""
        self._forget_old()
        known = self._named[table]
        missing = [name for name in set(ids) if name not in known]
        if missing:
            with self._connection.transaction():
                known |= find_keys(self._connection, table, missing)
        return known

    def factors(self, codes: Iterable[str]) -> Mapping[str, int]:
        """Key of each code as sent: old codes mean the same as new ones, private ones get a key.

        A code is absent from the answer when no more private codes are taken.
        """
        answer: dict[str, int] = {}
        private: list[str] = []
        for code in codes:
            key = self._factors.get(canonical_factor(code) or code)
            if key is None:
                private.append(code)
            else:
                answer[code] = key
        if private:
            with self._connection.transaction():
                self._factors |= ensure_unknown_factors(self._connection, private)
            answer |= {code: self._factors[code] for code in private if code in self._factors}
        return answer

    def _forget_old(self) -> None:
        many = len(self._devices) + sum(map(len, self._named.values())) > REMEMBER_NAMES
        if many or self._clock() >= self._forget_at:
            self.forget()
