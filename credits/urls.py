from django.urls import path

from credits.views import certificates, declaring, intake, issuing, platforms, providers, sampling, unit, verifying

app_name = "credits"
urlpatterns = [
    # --- declared hours --------------------------------------------------------------------------
    path("", declaring.mine, name="mine"),
    path("declare/", declaring.declare, name="declare"),
    path("declare/check/", declaring.check, name="check"),
    path("declare/done/<int:application_id>/", declaring.done, name="done"),
    path("years/", declaring.years, name="years"),
    # --- declared by the unit --------------------------------------------------------------------
    path("unit/", unit.unit_declarations, name="unit_declarations"),
    path("unit/new/", unit.unit_new, name="unit_new"),
    path("unit/new/people/", unit.unit_people, name="unit_people"),
    path("unit/new/check/", unit.unit_check, name="unit_check"),
    path("unit/<int:declaration_id>/", unit.unit_declaration, name="unit_declaration"),
    path("unit/<int:declaration_id>/remind/", unit.unit_remind, name="unit_remind"),
    path("unit/<int:declaration_id>/cancel/", unit.unit_cancel, name="unit_cancel"),
    path("unit/files/<int:attachment_id>/", unit.unit_file, name="unit_file"),
    path("unit/mine/", unit.unit_offers, name="unit_offers"),
    path("unit/mine/<int:row_id>/", unit.unit_offer, name="unit_offer"),
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
    # --- learning platforms ----------------------------------------------------------------------
    path("platforms/", platforms.platforms, name="platforms"),
    path("providers/", providers.providers, name="providers"),
    path("providers/new/", providers.add_provider, name="add_provider"),
    path("providers/<int:provider_id>/", providers.provider, name="provider"),
    path("providers/<int:provider_id>/edit/", providers.edit_provider, name="edit_provider"),
    path("providers/<int:provider_id>/keys/", providers.add_key, name="add_key"),
    path("providers/keys/<int:key_id>/revoke/", providers.revoke_key, name="revoke_key"),
    path("intake/", intake.batches, name="intake"),
    path("intake/upload/", intake.upload, name="intake_upload"),
    path("intake/template/", intake.empty_sheet, name="intake_template"),
    path("intake/waiting/", intake.waiting, name="intake_waiting"),
    path("intake/<int:batch_id>/", intake.batch, name="intake_batch"),
    path("intake/<int:batch_id>/problems/", intake.errors, name="intake_problems"),
    path("intake/<int:batch_id>/commit/", intake.commit, name="intake_commit"),
    path("intake/<int:batch_id>/cancel/", intake.cancel, name="intake_cancel"),
]
