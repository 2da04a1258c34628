"""The published description of the API: `python -m smc_agent.api.openapi > docs/openapi.json`."""

import json

from pydantic import SecretStr

from smc_agent.api.app import create_app
from smc_agent.platform.settings import Settings


def document() -> str:
    """OpenAPI 3.1 as JSON, ending in a line break; the same bytes for the same code."""
    nowhere = Settings.model_construct(
        database_url=SecretStr("postgresql://nowhere.invalid/"), supabase_jwt_secret=SecretStr("x" * 32)
    )
    return json.dumps(create_app(nowhere).openapi(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    print(document(), end="")
