"""A served ledger and who calls it with nothing but Fabric's protos: honest calls, to be bent by attacks."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from fabric_protos.common import common_pb2 as common
from fabric_protos.gateway import gateway_pb2 as gateway
from fabric_protos.gateway.gateway_pb2_grpc import GatewayStub
from fabric_protos.peer import proposal_pb2 as peer
from fabric_protos.peer.events_pb2_grpc import DeliverStub

from chaincode import canonical
from chaincode.blocks import Creator, NetworkConfig
from chaincode.fabric import encoding, proposals, responses, transactions
from chaincode.fabric.proposals import Invocation
from chaincode.identity import Identity
from chaincode.ledgers import calls
from chaincode.ledgers.served.limits import Limits
from chaincode.ledgers.served.server import TLS, Server, serve
from chainfaas.identity.embedded import EmbeddedAuthority
from tests.contracts.authority import Authority
from tests.contracts.world import CHANNEL, new_name

DEADLINE_S = 10


@dataclass
class Served:
    """A ledger served from this process, its organisations and a channel to it."""

    folder: Path
    limits: Limits = field(default_factory=Limits)
    platform: Authority = field(default_factory=lambda: Authority.make("PlatformMSP"))
    providers: Authority = field(default_factory=lambda: Authority.make("ProvidersMSP"))

    def __post_init__(self) -> None:
        self.config = NetworkConfig(
            CHANNEL, {"PlatformMSP": self.platform.pem, "ProvidersMSP": self.providers.pem}
        )
        self.controller = self.platform.enrol("controller", chainfaas_role="controller")
        self.tls = EmbeddedAuthority(self.folder / "tls").tls("ledger", ["localhost", "127.0.0.1"])
        self.server = self.start()
        self.root = self.folder / "root.pem"
        self.root.write_text(self.tls.root)
        self.channel = self.connect()

    @property
    def url(self) -> str:
        return f"fabric://{self.server.address}/{CHANNEL}?tls_root={self.root}"

    def start(self) -> Server:
        tls = TLS(self.tls.certificate, self.tls.key)
        return serve(self.folder / "ledger.db", self.config, tls=tls, limits=self.limits)

    def connect(self) -> grpc.Channel:
        credentials = grpc.ssl_channel_credentials(self.tls.root.encode())
        options = [("grpc.use_local_subchannel_pool", 1)]
        return grpc.secure_channel(self.server.address, credentials, options)

    def stop(self) -> None:
        self.channel.close()
        self.server.stop(0)

    # Calls.

    def call(
        self, document: dict[str, Any] | None = None, *, by: Identity | None = None, function: str = "deposit"
    ) -> Invocation:
        document = document or {"op": new_name("op"), "account": "dora", "amount": 5}
        return calls.call(CHANNEL, "monetary", function, document, by=by or self.controller)

    def signed(self, invocation: Invocation, by: Identity | None = None) -> Any:
        return proposals.sign(proposals.build(invocation), by or self.controller)

    def evaluate(self, signed: Any, channel: grpc.Channel | None = None) -> Any:
        request = gateway.EvaluateRequest(proposed_transaction=signed)
        return GatewayStub(channel or self.channel).Evaluate(request, timeout=DEADLINE_S)

    def endorse(self, signed: Any) -> bytes:
        """The payload to sign."""
        request = gateway.EndorseRequest(proposed_transaction=signed)
        answer = GatewayStub(self.channel).Endorse(request, timeout=DEADLINE_S)
        return bytes(answer.prepared_transaction.payload)

    def envelope(self, invocation: Invocation | None = None) -> bytes:
        return transactions.sign(self.endorse(self.signed(invocation or self.call())), self.controller)

    def submit(self, envelope: bytes) -> None:
        request = gateway.SubmitRequest(prepared_transaction=common.Envelope.FromString(envelope))
        GatewayStub(self.channel).Submit(request, timeout=DEADLINE_S)

    def status(
        self, tx_id: str, by: Identity | None = None, channel: str = CHANNEL, timeout: float = DEADLINE_S
    ) -> Any:
        who = by or self.controller
        request = encoding.encoded(
            gateway.CommitStatusRequest(transaction_id=tx_id, channel_id=channel, identity=name(who))
        )
        signed = gateway.SignedCommitStatusRequest(request=request, signature=who.sign(request))
        return GatewayStub(self.channel).CommitStatus(signed, timeout=timeout)

    def events(self, by: Identity, channel: grpc.Channel | None = None) -> Any:
        request = encoding.encoded(
            gateway.ChaincodeEventsRequest(channel_id=CHANNEL, chaincode_id="monitoring", identity=name(by))
        )
        signed = gateway.SignedChaincodeEventsRequest(request=request, signature=by.sign(request))
        return GatewayStub(channel or self.channel).ChaincodeEvents(signed)

    def deliver(self, requests: Any, channel: grpc.Channel | None = None) -> Any:
        return DeliverStub(channel or self.channel).Deliver(requests)

    def balance(self) -> int:
        call = self.call({"account": "dora"}, function="balance")
        answer = self.evaluate(self.signed(call)).result.payload
        return int(canonical.parse(answer)["free"])


def name(identity: Identity) -> bytes:
    return encoding.identity(Creator(identity.msp_id, identity.certificate))


def words(error: grpc.RpcError) -> str:
    """All that a refusal says."""
    said = [error.details()]
    for key, value in error.trailing_metadata() or ():
        if key == responses.DETAILS:
            said += [detail.message for detail in responses.unpack_details(value)]
    return "; ".join(said)


def changed(signed: Any, **parts: bytes) -> Any:
    """A signed proposal with another proposal or signature."""
    return peer.SignedProposal(
        **{"proposal_bytes": signed.proposal_bytes, "signature": signed.signature, **parts}
    )
