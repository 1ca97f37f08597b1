"""Questions to a code server, by a client that Dagster (1.13) keeps to itself; slow to import, so apart."""

from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import deserialize_value

_ANSWER_SECONDS = 10


def answers(host: str, port: int) -> bool:
    """Whether a code server answers there."""
    try:
        DagsterGrpcClient(host=host, port=port).ping("")
    except DagsterUserCodeUnreachableError:
        return False
    return True


def knows_run(client: DagsterGrpcClient, run_id: str) -> bool | None:
    """Whether a process of the server works on the run; None if it does not answer: it may be busy."""
    request = CanCancelExecutionRequest(run_id=run_id)
    try:
        answer = client.can_cancel_execution(request, timeout=_ANSWER_SECONDS)
    except DagsterUserCodeUnreachableError:
        return None
    return deserialize_value(answer, CanCancelExecutionResult).can_cancel
