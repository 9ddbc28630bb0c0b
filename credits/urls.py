from django.urls import path

from credits.views import certificates, declaring, issuing, sampling, verifying

app_name = "credits"
urlpatterns = [
    # --- declared hours --------------------------------------------------------------------------
    path("", declaring.mine, name="mine"),
    path("declare/", declaring.declare, name="declare"),
    path("declare/check/", declaring.check, name="check"),
    path("declare/done/<int:application_id>/", declaring.done, name="done"),
    path("years/", declaring.years, name="years"),
    # --- certificates ----------------------------------------------------------------------------
    path("certificates/", certificates.mine, name="certificates"),
    path("certificates/issue/", certificates.issue_own, name="issue_own"),
    path("certificates/filing/", certificates.filing, name="filing"),
    path("certificates/filing/pdf/", certificates.filing_pdf, name="filing_pdf"),
    path("certificates/<int:certificate_id>/", certificates.certificate, name="certificate"),
    path("certificates/<int:certificate_id>/pdf/", certificates.certificate_pdf, name="certificate_pdf"),
    path(
        "certificates/<int:certificate_id>/replace/",
        certificates.replace_certificate,
        name="replace_certificate",
    ),
    path("certificates/<int:certificate_id>/revoke/", issuing.revoke_certificate, name="revoke_certificate"),
    path("certificates/issuing/", issuing.issuing_list, name="issuing"),
    path("certificates/issuing/all/", issuing.issue_all, name="issue_all"),
    path("certificates/issuing/<int:practitioner_id>/", issuing.issue_to, name="issue_to"),
    path("certificates/batches/<int:batch_id>/", issuing.certificate_batch, name="certificate_batch"),
    path("certificates/issued/", issuing.issued, name="issued_certificates"),
    path("certificates/checks/", issuing.certificate_checks, name="certificate_checks"),
    path("verify/", verifying.verify, name="verify"),
    path("verify/keys/", verifying.keys, name="verifying_keys"),
    path("verify/keys/<slug:key_id>.pem", verifying.key, name="verifying_key"),
    # --- verification by sample ------------------------------------------------------------------
    path("sampling/", sampling.overview, name="sampling"),
    path("sampling/draw/", sampling.draw, name="draw_sample"),
    path("sampling/<int:draw_id>/", sampling.sample, name="sample"),
    path("sampling/policies/", sampling.policies, name="verification_policies"),
    path("sampling/overturned/", sampling.overturned, name="overturned"),
]
