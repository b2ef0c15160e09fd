"""[checks]: what scores do to a message."""

from collections.abc import Mapping

from pydantic import Field, model_validator

from hub.config.tables.types import AccountName, DomainName, Score, Table


class OwnScores(Table):
    """[checks.domains."…"] and [checks.accounts."…"]: what is not given is as for everybody."""

    junk_score: Score | None = Field(default=None, description="As in [checks].")
    reject_score: Score | None = Field(default=None, description="As in [checks].")


class ChecksTable(Table):
    """[checks]: what the summed score of all checks does to a message."""

    junk_score: Score = Field(
        default=5.0, description="From this score on a message goes to the Junk mailbox."
    )
    reject_score: Score = Field(default=15.0, description="From this score on a message is refused.")
    domains: Mapping[DomainName, OwnScores] = Field(
        default_factory=dict, description="Scores of a domain, by its name, in place of the two above."
    )
    accounts: Mapping[AccountName, OwnScores] = Field(
        default_factory=dict, description="Scores of an account, by its address, in place of its domain's."
    )

    def limits(self, address: str, domain: str) -> tuple[float, float]:
        """(junk_score, reject_score) of an account; its domain in lower case."""
        junk, reject = self.junk_score, self.reject_score
        for own in (self.domains.get(domain), self.accounts.get(address)):
            if own is not None:
                junk = junk if own.junk_score is None else own.junk_score
                reject = reject if own.reject_score is None else own.reject_score
        return junk, reject

    @model_validator(mode="after")
    def _in_order(self) -> "ChecksTable":
        named = [("", ""), *(("", name) for name in self.domains)]
        named += [(name, name.rpartition("@")[2]) for name in self.accounts]
        for address, domain in named:
            junk, reject = self.limits(address, domain)
            if reject < junk:
                whose = f" for {address or domain}" if address or domain else ""
                raise ValueError(
                    f"has a reject_score below its junk_score{whose}, so nothing would ever be junk"
                )
        return self
