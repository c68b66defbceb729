"""A receiver of alerts: a real HTTP server that takes messages and answers as a test decides."""

from collections.abc import Sequence

from tests.kit.http import HttpServer, Reply, Respond

ACCEPTED = Reply(status=204)


class WebhookServer(HttpServer):
    """Accepts what it gets, unless `respond` says otherwise."""

    def __init__(self, respond: Respond | Sequence[Reply] = (ACCEPTED,)) -> None:
        super().__init__(respond)

    @property
    def url(self) -> str:
        """The address that a receiver's configuration names."""
        return f"{super().url}/hook"

    @property
    def ids(self) -> list[str]:
        """The id of each message that came, in order; a repeated message occurs again."""
        return [request.headers["webhook-id"] for request in [*self.requests]]
