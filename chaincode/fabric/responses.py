"""A contract's answer, good or bad, and how Fabric's gateway passes a bad one on.

A contract's no is `protos.Response` with status 400 and, as its message, {"code", "detail"} in JSON. The
gateway wraps the message in words of its own (internal/pkg/gateway/apiutils.go: "chaincode response 400, …")
and puts it into the gRPC status (Evaluate) or into the `gateway.ErrorDetail`s that hang on it (Endorse).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from fabric_protos.gateway import gateway_pb2 as gateway
from fabric_protos.peer import proposal_response_pb2 as peer
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory

from chaincode import canonical
from chaincode.errors import Code, ContractError
from chaincode.fabric import encoding

OK, REFUSED = 200, 400
"""From 400 on nothing is endorsed (fabric-chaincode-go, shim.ERRORTHRESHOLD)."""

DETAILS = "grpc-status-details-bin"
"""The trailing metadata that holds the `google.rpc.Status`."""

_JSON = re.compile(r"\{.*\}", re.DOTALL)


def success(result: bytes) -> Any:
    """`protos.Response` with a result in JSON."""
    return peer.Response(status=OK, payload=result)


def refusal(error: ContractError) -> Any:
    spelled = canonical.text({"code": str(error.code), "detail": error.detail})
    return peer.Response(status=REFUSED, message=spelled)


def contract_error(text: str) -> ContractError | None:
    """The contract's no in an error's text; None if something else went wrong."""
    found = _JSON.search(text)
    try:
        fields = json.loads(found[0] if found else "")
        return ContractError(Code(fields["code"]), str(fields["detail"]))
    except (ValueError, TypeError, LookupError, RecursionError):
        return None


def pack_details(code: int, message: str, details: Iterable[Any]) -> bytes:
    """The value of `DETAILS`: a status with these `gateway.ErrorDetail`s."""
    packed = []
    for detail in details:
        packed.append(any_pb2.Any())
        packed[-1].Pack(detail)
    return encoding.encoded(Status(code=code, message=message, details=packed))


@encoding.reader("a status")
def unpack_details(data: bytes) -> list[Any]:
    """The `gateway.ErrorDetail`s of a status."""
    found = []
    for packed in encoding.message(Status, data).details:
        detail = gateway.ErrorDetail()
        if packed.Unpack(detail):
            found.append(detail)
    return found


def _status() -> type[Any]:
    """`google.rpc.Status`: three fields, for which another package (googleapis-common-protos) is too much."""
    field = descriptor_pb2.FieldDescriptorProto
    one, many = field.LABEL_OPTIONAL, field.LABEL_REPEATED
    file = descriptor_pb2.FileDescriptorProto(
        name="chainfaas/rpc_status.proto",
        package="chainfaas.rpc",
        dependency=["google/protobuf/any.proto"],
        syntax="proto3",
    )
    status = file.message_type.add(name="Status")
    status.field.add(name="code", number=1, label=one, type=field.TYPE_INT32)
    status.field.add(name="message", number=2, label=one, type=field.TYPE_STRING)
    status.field.add(
        name="details", number=3, label=many, type=field.TYPE_MESSAGE, type_name=".google.protobuf.Any"
    )
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(encoding.encoded(file))
    found: type[Any] = message_factory.GetMessageClass(pool.FindMessageTypeByName("chainfaas.rpc.Status"))
    return found


Status = _status()
