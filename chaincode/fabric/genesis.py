"""The channel's configuration: a `common.ConfigEnvelope` (common/configtx.proto) in a block of its own.

The group `Application` has a group for each organisation whose identities may call, `Orderer` one for each
whose identities sign blocks; the value `MSP` of such a group holds `msp.FabricMSPConfig`: whose certificates
count, and which do not any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fabric_protos.common import common_pb2 as common
from fabric_protos.common import configtx_pb2 as configtx
from fabric_protos.common import configuration_pb2 as configuration
from fabric_protos.msp import msp_config_pb2 as msp

from chaincode.blocks import NetworkConfig
from chaincode.errors import Refused
from chaincode.fabric import blocks, encoding, transactions
from chaincode.fabric.encoding import encoded

APPLICATION, ORDERER, MSP = "Application", "Orderer", "MSP"
"""Names in the configuration (fabric/common/channelconfig)."""


@dataclass(frozen=True)
class Organisation:
    """Whose certificates count as an MSP's."""

    roots: tuple[str, ...]  #: PEM
    revocation_lists: tuple[bytes, ...] = ()  #: CRLs, PEM
    intermediates: tuple[str, ...] = ()  #: PEM


@dataclass(frozen=True)
class ChannelConfig:
    channel: str
    members: Mapping[str, Organisation]  #: by MSP id: who may call and endorse
    orderers: Mapping[str, Organisation] = field(default_factory=dict)  #: by MSP id: who signs blocks

    @property
    def network(self) -> NetworkConfig:
        """As an embedded ledger names it: one root for each member."""
        return NetworkConfig(
            self.channel, {msp_id: member.roots[0] for msp_id, member in self.members.items()}
        )


def of(network: NetworkConfig, orderers: Mapping[str, str] | None = None) -> ChannelConfig:
    """One root for each organisation; without orderers of their own the members sign blocks."""
    members = {msp_id: Organisation((root,)) for msp_id, root in network.msps.items()}
    signers = {msp_id: Organisation((root,)) for msp_id, root in (orderers or network.msps).items()}
    return ChannelConfig(network.channel, members, signers)


def block(config: ChannelConfig, at: str) -> Any:
    """The chain's first block: nobody signs it, who starts from it has to know it."""
    return blocks.cut(0, b"", [envelope(config, at)], [transactions.CODES.VALID])


def envelope(config: ChannelConfig, at: str) -> bytes:
    channel_header = common.ChannelHeader(
        type=common.CONFIG, channel_id=config.channel, timestamp=encoding.timestamp(at)
    )
    header = common.Header(channel_header=encoded(channel_header), signature_header=b"")
    settings = configtx.ConfigEnvelope(config=configtx.Config(channel_group=group(config)))
    return encoded(common.Envelope(payload=encoded(common.Payload(header=header, data=encoded(settings)))))


def group(config: ChannelConfig) -> Any:
    """`common.ConfigGroup` of the whole channel."""
    found = configtx.ConfigGroup(mod_policy="Admins")
    _set(found, "HashingAlgorithm", configuration.HashingAlgorithm(name="SHA256"))
    _set(found, "BlockDataHashingStructure", configuration.BlockDataHashingStructure(width=2**32 - 1))
    for name, organisations in ((APPLICATION, config.members), (ORDERER, config.orderers)):
        found.groups[name].mod_policy = "Admins"
        for msp_id in sorted(organisations):
            _set(found.groups[name].groups[msp_id], MSP, _msp_config(msp_id, organisations[msp_id]))
    return found


@encoding.reader("a block of configuration")
def read(found: Any) -> ChannelConfig:
    """From a `common.Block`. Raises Refused."""
    [wrapped] = found.data.data
    return read_envelope(wrapped)


@encoding.reader("a channel's configuration")
def read_envelope(data: bytes) -> ChannelConfig:
    header = blocks.channel_header(data)
    if header.type != common.CONFIG:
        raise Refused("this is not a channel's configuration")
    payload = encoding.message(common.Payload, encoding.message(common.Envelope, data).payload)
    return read_group(header.channel_id, encoding.message(configtx.ConfigEnvelope, payload.data).config)


@encoding.reader("a channel's configuration")
def read_group(channel: str, config: Any) -> ChannelConfig:
    """From a `common.Config`, which is also what `cscc GetChannelConfig` answers."""
    groups = config.channel_group.groups
    return ChannelConfig(channel, _organisations(groups[APPLICATION]), _organisations(groups[ORDERER]))


def _organisations(found: Any) -> dict[str, Organisation]:
    return dict(_organisation(found.groups[name].values[MSP].value) for name in sorted(found.groups))


def _organisation(value: bytes) -> tuple[str, Organisation]:
    config = encoding.message(msp.FabricMSPConfig, encoding.message(msp.MSPConfig, value).config)
    if not config.root_certs:
        raise Refused("an organisation has no root certificate")
    return config.name, Organisation(
        _texts(config.root_certs), tuple(config.revocation_list), _texts(config.intermediate_certs)
    )


def _texts(certificates: Sequence[bytes]) -> tuple[str, ...]:
    return tuple(certificate.decode("ascii") for certificate in certificates)


def _msp_config(msp_id: str, organisation: Organisation) -> Any:
    config = msp.FabricMSPConfig(
        name=msp_id,
        root_certs=[root.encode("ascii") for root in organisation.roots],
        intermediate_certs=[found.encode("ascii") for found in organisation.intermediates],
        revocation_list=organisation.revocation_lists,
        crypto_config=msp.FabricCryptoConfig(
            signature_hash_family="SHA2", identity_identifier_hash_function="SHA256"
        ),
    )
    return msp.MSPConfig(type=0, config=encoded(config))  # 0: certificates (fabric/msp, FABRIC)


def _set(group: Any, name: str, value: Any) -> None:
    group.values[name].value = encoded(value)
    group.values[name].mod_policy = "Admins"
