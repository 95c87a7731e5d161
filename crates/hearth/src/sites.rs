//! What requests can be for that are not calls of the API.

use std::sync::Arc;

use hearth_control::control::Control;
use hearth_http::site::Sites;
use hearth_http::urls::Urls;
use hearth_invoke::Invoker;

/// All sites of this server.
pub(crate) fn sites(control: &Arc<Control>, invoker: &Arc<Invoker>) -> Sites {
    let signed = control.signed_urls();
    if signed > 0 {
        tracing::warn!(
            urls = signed,
            "function URLs with AWS_IAM take any signature that is well-formed: keys of callers are not known, so whoever reaches the port may call them"
        );
    }
    Sites(vec![Arc::new(Urls::new(Arc::clone(control), Arc::clone(invoker)))])
}
