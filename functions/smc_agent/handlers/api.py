"""Lambda: the API behind an API Gateway (HTTP API, payload 2.0); not the stream, which needs a server that stays."""

import logging
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from mangum import Mangum

from smc_agent.api.app import create_app
from smc_agent.platform.problems import CONTENT_TYPE

logger = Logger(service="api")
# The API's own lines, one for each request, in the same JSON. Never the event: it holds the token.
logging.getLogger("smc_agent")
copy_config_to_registered_loggers(source_logger=logger, include={"smc_agent"})
# No lifespan: what it starts (the bus) is for the stream, and what it closes outlives one invocation.
_answer = Mangum(create_app(), lifespan="off", text_mime_types=["text/", "application/json", CONTENT_TYPE])


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The response to one HTTP request."""
    return _answer(event, context)
