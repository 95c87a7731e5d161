//! What requests can be for that are not calls of the API.

use std::sync::Arc;

use hearth_control::control::Control;
use hearth_http::apis::Apis;
use hearth_http::apis::serve::{ApiSite, Parts};
use hearth_http::functions::Functions;
use hearth_http::site::Sites;
use hearth_http::urls::Urls;
use hearth_invoke::Invoker;
use hearth_services::remote::tls::Trust;
use hearth_services::remote::web::Web;

/// All sites of this server.
pub(crate) fn sites(
    (control, invoker): (&Arc<Control>, &Arc<Invoker>),
    (apis, trust): (&Arc<Apis>, &Trust),
) -> Sites {
    let signed = control.signed_urls();
    if signed > 0 {
        tracing::warn!(
            urls = signed,
            "function URLs with AWS_IAM take any signature that is well-formed: keys of callers are not known, so whoever reaches the port may call them"
        );
    }
    let apis = ApiSite::new(Parts {
        apis: Arc::clone(apis),
        control: Arc::clone(control),
        functions: Functions::new(Arc::clone(invoker)),
        web: Arc::new(Web::new(trust.clone())),
    });
    Sites(vec![Arc::new(Urls::new(Arc::clone(control), Arc::clone(invoker))), Arc::new(apis)])
}
