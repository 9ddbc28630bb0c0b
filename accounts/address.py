"""Where a request comes from, for counting only. Believes no header unless a trusted proxy wrote it."""

import ipaddress

from django.conf import settings
from django.http import HttpRequest


def network_of(request: HttpRequest) -> str:
    """The client's network: its IPv4 address, or the /64 of its IPv6 address (one household has many of those).

    With TRUSTED_PROXIES = n the n-th entry of X-Forwarded-For from the right counts: the n last ones were
    written by our proxies, everything further left by the client. Without a usable address: "unknown".
    """
    candidates = [request.META.get("REMOTE_ADDR", "")]
    if settings.TRUSTED_PROXIES:
        forwarded = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
        if len(forwarded) >= settings.TRUSTED_PROXIES:
            candidates.insert(0, forwarded[-settings.TRUSTED_PROXIES])
    for candidate in candidates:
        try:
            address = ipaddress.ip_address(candidate)
        except ValueError:
            continue
        if address.version == 4:
            return str(address)
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return "unknown"
