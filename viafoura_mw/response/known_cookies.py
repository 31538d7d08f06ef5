"""The cookies that come with visitors who are not signed in: analytics, consent, bot walls, load balancers, CSRF.

A visitor who has none but these keeps answers of 304, and no browser is told from itself by values that change with
every response. A name belongs here only below a page that says what the cookie is for, and only if no site knows a
signed-in user by it: ``AWSELBAuthSessionCookie-0`` signs users in, so that ``AWSELB*`` is no entry; nor are
``CF_Authorization`` (Cloudflare Access) and ``NSC_*`` (Citrix signs users in by some of them).
"""

from collections.abc import Mapping
from itertools import chain
from typing import Final

_Globs = Mapping[str, tuple[str, ...]]

_HEX: Final = "[0-9a-f]"

_ANALYTICS_AND_ADVERTISING: Final[_Globs] = {
    "https://documentation.viafoura.com/docs/what-cookies-are-used-by-viafoura": (
        "_vfa",
        "_vfb",
        "_vfz",
        "_vf_rd_test*",
    ),
    "https://support.google.com/analytics/answer/11397207": ("_ga*", "_gid", "_gcl_*"),
    "https://developers.google.com/analytics/devguides/collection/analyticsjs/cookie-usage": ("AMP_TOKEN", "__utm*"),
    "https://business.safety.google/adscookies/": ("__gads", "__gpi", "__gpi_optout", "__eoi", "FPAU"),
    "https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/fbp-and-fbc": ("_fbp", "_fbc"),
    "https://help.hotjar.com/hc/en-us/articles/115011789248": ("_hj*",),
    "https://matomo.org/faq/general/faq_146/": ("_pk_*", "mtm_*", "matomo_ignore", "piwik_ignore"),
    "https://learn.microsoft.com/en-us/clarity/setup-and-installation/cookie-list": ("_clck", "_clsk"),
    "https://learn.microsoft.com/en-us/advertising/msa-help/hlp_ba_conc_uet_faq": (
        "_uetsid",
        "_uetvid",
        "_uetmsclkid",
    ),
    "https://help.chartbeat.com/hc/en-us/articles/360044659014-Chartbeat-Cookies": (
        "_cb",
        "_cb_ls",
        "_cb_svref",
        "_cb_cp",
        "_chartbeat*",
        "_t_tests",
        "_v__chartbeat3",
        "_v__cb_cp",
    ),
    "https://docs.parse.ly/cookies/": ("_parsely_*",),
    "https://developers.piano.io/analytics/data-collection/general/cookie-storage/": (
        "_pcid",
        "_pctx",
        "_pprv",
        "pa_privacy",
        "pa_vid",
    ),
    "https://www.twilio.com/docs/segment/connections/sources/catalog/libraries/website/javascript/identity": ("ajs_*",),
    "https://amplitude.com/docs/sdks/analytics/browser/cookies-and-consent-management": (
        f"AMP_{_HEX * 10}",
        f"AMP_MKTG_{_HEX * 10}",
    ),
    "https://github.com/mixpanel/mixpanel-js": ("mp_*_mixpanel",),
    "https://github.com/PostHog/posthog-js": ("ph_*_posthog",),
    "https://experienceleague.adobe.com/en/docs/core-services/interface/data-collection/cookies/analytics": (
        "s_cc",
        "s_ecid",
        "s_fid",
        "s_sq",
        "s_vi",
        "AMCV_*",
        "AMCVS_*",
    ),
    "https://knowledge.hubspot.com/privacy-and-consent/what-cookies-does-hubspot-set-in-a-visitor-s-browser": (
        "__hstc",
        "__hssc",
        "__hssrc",
        "__hs_*",
        "hubspotutk",
    ),
    "https://yandex.com/support/metrica/general/cookie-usage.html": ("_ym_*",),
    "https://github.com/snowplow/snowplow-javascript-tracker": ("_sp_id.*", "_sp_ses.*"),
    "https://support.optimizely.com/hc/en-us/articles/4410284260365-Cookies-and-localStorage-in-snippets": (
        "optimizely*",
    ),
    "https://help.vwo.com/hc/en-us/articles/360033990873": ("_vwo_*", "_vis_opt_*"),
    "https://github.com/DataDog/browser-sdk": ("_dd_s",),
    "https://github.com/microsoft/ApplicationInsights-JS": ("ai_session", "ai_user"),
    "https://docs.dynatrace.com/docs/manage/data-privacy-and-security/data-privacy/cookies": (
        "dtCookie*",
        "dtLatC*",
        "dtPC*",
        "dtSa*",
        "rxVisitor*",
        "rxvt*",
    ),
    "https://help.pinterest.com/en/business/article/pinterest-tag-parameters-and-cookies": (
        "_pin_unauth",
        "_derived_epik",
        "_epik",
    ),
    "https://ads.tiktok.com/help/article/using-cookies-with-tiktok-pixel": ("_ttp",),
    "https://docs.prebid.org/dev-docs/modules/userId.html": ("_pubcid*",),
}

_CONSENT: Final[_Globs] = {
    "https://my.onetrust.com/articles/en_US/Knowledge/UUID-2dc719a8-4be5-8d16-1dc8-c7b4147b88e0": (
        "OptanonConsent",
        "OptanonAlertBoxClosed",
        "OTGPPConsent",
    ),
    "https://support.didomi.io/en/didomi-cookies-storage-1": ("didomi_token",),
    "https://docs.sourcepoint.com/hc/en-us/articles/4405380402579-Cookies-and-local-storage-Legacy": (
        "consentUUID",
        "_sp_v1_*",
    ),
    "https://help.consentmanager.net/books/cmp/page/cookies-set-by-the-cmp": (
        "__cmp*",
        "euconsent*",
        "eupubconsent*",
    ),
    "https://github.com/InteractiveAdvertisingBureau/USPrivacy": ("usprivacy",),
    "https://www.cookiebot.com/en/cookie-declaration/": ("CookieConsent",),
    "https://wordpress.org/plugins/cookie-law-info/": (
        "cookieyes-consent",
        "cookielawinfo-*",
        "viewed_cookie_policy",
    ),
    "https://wordpress.org/plugins/complianz-gdpr/": ("cmplz_*",),
    "https://github.com/osano/cookieconsent": ("cookieconsent_status",),
    "https://cookieconsent.orestbida.com/reference/configuration-reference.html": ("cc_cookie",),
    "https://github.com/AmauriC/tarteaucitron.js": ("tarteaucitron",),
    "https://github.com/klaro-org/klaro-js": ("klaro",),
}

_BOT_WALLS: Final[_Globs] = {
    "https://developers.cloudflare.com/fundamentals/reference/policies-compliances/cloudflare-cookies/": (
        "__cf_bm",
        "_cfuvid",
        "cf_clearance",
        "cf_chl_*",
        "cf_ob_info",
        "cf_use_ob",
        "__cfruid",
        "__cfseq*",
        "__cfwaitingroom*",
        "__cfduid",
        "__cflb",
    ),
    "https://www.flowconsent.com/en/services/security/akamai-bot-manager": ("ak_bmsc", "bm_*", "_abck"),
    "https://www.flowconsent.com/en/services/security/akamai-web-application-protector": ("AKA_A2", "akacd_*"),
    "https://docs.datadome.co/": ("datadome",),
    "https://www.flowconsent.com/en/services/security/imperva": ("incap_ses_*", "visid_incap_*", "nlbi_*"),
    "https://blog.crawlex.net/blog/imperva-incapsula-bot-detection": ("reese84", "___utmvc"),
    "https://docs.humansecurity.com/applications-and-accounts/docs/cookies": (
        "_px",
        "_px2",
        "_px3",
        "_pxde",
        "_pxff_*",
        "_pxhd",
        "_pxmvid",
        "_pxttld",
        "_pxvid",
        "__pxvid",
        "pxcts",
    ),
    "https://docs.aws.amazon.com/waf/latest/developerguide/waf-tokens.html": ("aws-waf-token",),
    "https://support.f5silverline.com/hc/en-us/articles/360052537934": (f"TS{_HEX * 8}*",),
    "https://developers.google.com/recaptcha/docs/faq": ("_GRECAPTCHA",),
}

_LOAD_BALANCERS: Final[_Globs] = {
    "https://docs.aws.amazon.com/elasticloadbalancing/latest/application/sticky-sessions.html": ("AWSALB*",),
    "https://docs.aws.amazon.com/elasticloadbalancing/latest/classic/elb-sticky-sessions.html": (
        "AWSELB",
        "AWSELBCORS",
    ),
    "https://learn.microsoft.com/en-us/azure/app-service/configure-common": ("ARRAffinity*",),
    "https://learn.microsoft.com/en-us/azure/app-service/deploy-staging-slots": ("x-ms-routing-name",),
    "https://learn.microsoft.com/en-us/azure/application-gateway/configuration-http-settings": (
        "ApplicationGatewayAffinity*",
    ),
    "https://learn.microsoft.com/en-us/azure/frontdoor/routing-methods": ("ASLBSA", "ASLBSACORS"),
    "https://cloud.google.com/load-balancing/docs/backend-service": ("GCLB", "GCILB"),
    "https://my.f5.com/manage/s/article/K6917": ("BIGipServer*",),
    "https://docs.digitalocean.com/products/networking/load-balancers/how-to/manage/": ("DO-LB",),
    "https://devcenter.heroku.com/articles/session-affinity": ("heroku-session-affinity",),
    "https://kubernetes.github.io/ingress-nginx/examples/affinity/cookie/": ("INGRESSCOOKIE",),
    "https://docs.haproxy.org/2.8/configuration.html": ("SERVERID",),
    "https://httpd.apache.org/docs/2.4/mod/mod_proxy_balancer.html": ("ROUTEID",),
    "https://docs.cloudfoundry.org/concepts/http-routing.html": ("__VCAP_ID__",),
    "https://docs.oracle.com/en-us/iaas/Content/Balance/Reference/sessionpersistence.htm": ("X-Oracle-BMC-LBS-Route",),
}

_CSRF: Final[_Globs] = {
    "https://docs.djangoproject.com/en/stable/ref/settings/": ("csrftoken",),
    "https://www.tornadoweb.org/en/stable/guide/security.html": ("_xsrf",),
    "https://docs.pylonsproject.org/projects/pyramid/en/latest/api/csrf.html": ("csrf_token",),
    "https://github.com/aekasitt/fastapi-csrf-protect": ("fastapi-csrf-token",),
    "https://angular.dev/best-practices/security": ("XSRF-TOKEN",),
    "https://github.com/expressjs/csurf": ("_csrf",),
    "https://learn.microsoft.com/en-us/aspnet/core/security/anti-request-forgery": (
        "__RequestVerificationToken*",
        ".AspNetCore.Antiforgery.*",
    ),
}

#: By its source, each group's name globs (as of :mod:`fnmatch`, with their case).
BY_SOURCE: Final[_Globs] = {**_ANALYTICS_AND_ADVERTISING, **_CONSENT, **_BOT_WALLS, **_LOAD_BALANCERS, **_CSRF}
NO_SIGN_IN: Final[tuple[str, ...]] = tuple(chain.from_iterable(BY_SOURCE.values()))
