"""学习平台 (F-109): where people study, for everybody."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from credits.models import Provider


@login_not_required
@require_http_methods(["GET"])
def platforms(request: HttpRequest) -> HttpResponse:
    """The listed platforms, in their order; who may edit them finds the way."""
    return render(request, "credits/platforms.html", {"platforms": Provider.objects.listed()})
