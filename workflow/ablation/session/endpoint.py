"""A visit to a server that someone else runs: the questions are those to our own, and some have no answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from ablation.evidence import collect
from ablation.evidence.claim import Claim
from ablation.evidence.expectations import UNTOLD
from ablation.session.server import ServerError
from ablation.study.launch import Endpoint as Settings

NOWHERE = Path("/nonexistent")  # of a visit that keeps no record
NOT_OBSERVABLE = (
    "not observable: the endpoint was launched by someone else and shows no log; "
    "that this arm's treatment took effect is its owner's word"
)


class Endpoint:
    """Has the interface of `server.Server`, but starts and stops nothing."""

    def __init__(
        self, url: str, *, arm: str, served_model: str, headers: Mapping[str, str], folder: Path
    ) -> None:
        self.base_url = url.rstrip("/")
        self.arm = arm
        self.served_model = served_model
        self.headers = dict(headers)
        self.log_path = folder / "server.log"  # never written: there is none
        self.container = None
        self.command: list[str] = [""]  # nothing is started
        self.environment: dict[str, str] = {}
        self.started = 0.0
        self._seen: str | None = None

    def __enter__(self) -> Endpoint:
        self.started = time.monotonic()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def log(self) -> str:
        """Empty: nobody sees it from here."""
        return ""

    def alive(self) -> bool:
        """True: whether it lives shows in its answers, and asking it ten times a second would be load."""
        return True

    def processes(self) -> set[int]:
        """None of this host's."""
        return set()

    def wait_ready(
        self, timeout_s: float, on_wait: Callable[[float], None] = lambda _: None
    ) -> float:
        """Wait until it serves the model. Returns seconds; raises ServerError.

        Only a connection that fails is waited for: an answer of another kind will not change by itself.
        """
        while True:
            waited = time.monotonic() - self.started
            try:
                self.check()
            except httpx.TransportError as error:
                if waited > timeout_s:
                    raise ServerError(
                        f"factor.arms.{self.arm}.url: {self.base_url} did not answer in {waited:.0f} s ({error})"
                    ) from error
            else:
                self._seen = self.version()
                return time.monotonic() - self.started
            on_wait(waited)
            time.sleep(1.0)

    def check(self) -> None:
        """Ask for its models. Raises httpx.TransportError where it cannot be reached, else ServerError."""
        where = f"factor.arms.{self.arm}.url: {self.base_url}"
        answer = self._get("/v1/models")
        if answer.status_code in (401, 403):
            raise ServerError(
                f"{where} refuses the key (HTTP {answer.status_code}); export it, and name its variable in "
                "server.launch.api_key_env"
            )
        try:
            served = [str(model["id"]) for model in answer.json()["data"]]
        except (ValueError, KeyError, TypeError):
            raise ServerError(
                f"{where} is no OpenAI-compatible server: /v1/models answers HTTP {answer.status_code}"
            ) from None
        if self.served_model not in served:
            raise ServerError(
                f"{where} serves {served}, not {self.served_model!r}; say what it serves in the model's `path`"
            )

    def version(self) -> str:
        """The version that it says it is, or an empty string."""
        try:
            return str(self._get("/version").json().get("version", ""))
        except (httpx.HTTPError, ValueError, AttributeError):
            return ""

    @property
    def log_note(self) -> str:
        """Where its log is, for a message."""
        return "The endpoint's log is with whoever runs it"

    def check_unchanged(self, what: str, *, failed_requests: int = 0) -> None:
        """After a level (`what`): it must still be there, and be the same. Raises ServerError."""
        try:
            self.check()
        except httpx.TransportError as error:
            raise ServerError(
                f"{what}: {self.base_url} was gone at the end of the level ({error})"
            ) from error
        now = self.version()
        if now != self._seen:
            raise ServerError(
                f"{what}: {self.base_url} says another version at the end of the level ({now or 'none'}) than "
                f"before ({self._seen or 'none'}); the level does not count"
            )

    def stop(self) -> dict[str, Any]:
        """Nothing to stop; says so."""
        return {"code": None, "signal": None, "how": "left running: it is someone else's"}

    def obituary(self, what: str) -> str:
        """One message about an endpoint that failed."""
        return f"{self.base_url}: {what}. {self.log_note}"

    def _get(self, path: str) -> httpx.Response:
        tls = self.base_url.startswith("https")
        return httpx.get(
            f"{self.base_url}{path}",
            headers=self.headers,
            timeout=10,
            trust_env=False,
            verify=tls,
        )


def authorization(settings: Settings, shell: Mapping[str, str]) -> dict[str, str]:
    """The header that carries the API key, where the study names one. Raises ServerError where it is not set."""
    name = settings.api_key_env
    if name is None:
        return {}
    if not shell.get(name):
        raise ServerError(
            f"server.launch.api_key_env: {name} is not set in this shell; `export {name}=...`, then the same command"
        )
    return {"authorization": f"Bearer {shell[name]}"}


def evidence_of(claim: Claim) -> dict[str, Any]:
    """What can be said without a log, in the parts that `ablation.evidence.collect` gives with one.

    Nobody could look, so that the treatment's state is "cannot be told". It does not pass where the study asks for a
    line of the log all the same.
    """
    asked = claim.evidence or claim.counter_evidence
    found = collect("", claim)
    treatment = found["treatment"] | {
        "settings": [],
        "state": UNTOLD,
        "passed": False if claim.evidence else None,
        "text": NOT_OBSERVABLE + (f" (the study asks for {asked!r})" if asked else ""),
    }
    return found | {"treatment": treatment, "failure": None}
