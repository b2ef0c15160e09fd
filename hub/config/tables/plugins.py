"""[registry], and what every plugin's table may say."""

from typing import Annotated, Literal

from pydantic import Field

from hub.config.tables.types import Duration, Table


class RegistryTable(Table):
    """[registry]: where plugins come from."""

    url: Annotated[str, Field(min_length=1)] | None = Field(
        default=None,
        description=(
            "The registry that `hub plugins search` and `install` use: an https URL, or its folder."
        ),
    )


class PluginOptions(Table):
    """[plugins.<name>.hub]: how the hub treats one plugin, whatever the plugin itself can be told."""

    on_failure: Literal["skip", "tempfail"] | None = Field(
        default=None,
        description=(
            "What a failure of this plugin does: skip goes on as if it had said nothing, tempfail answers "
            "4xx so that the mail stays with its sender. Without it, what each hook says."
        ),
    )
    timeout: Annotated[Duration, Field(gt=0)] | None = Field(
        default=None,
        description="How long each of the plugin's hooks may take. Without it, what each hook says.",
    )


class NoSettings(Table):
    """The settings of a plugin that has none."""
