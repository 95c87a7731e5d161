//! What requests can be for that are not calls of the API.

use std::sync::Arc;

use anyhow::Context as _;
use hearth_control::control::Control;
use hearth_front::server::Admission;
use hearth_http::apis::Apis;
use hearth_http::apis::serve::{ApiSite, Parts};
use hearth_http::balancers::{self, Balancers};
use hearth_http::functions::Functions;
use hearth_http::rest::RestApis;
use hearth_http::rest::serve::{Parts as RestParts, RestSite};
use hearth_http::site::Sites;
use hearth_http::sockets::{Parts as SocketParts, SocketSite, Sockets};
use hearth_http::urls::Urls;
use hearth_invoke::Invoker;
use hearth_services::remote::tls::Trust;
use hearth_services::remote::web::Web;
use hearth_store::sqlite::Sqlite;
use hearth_types::tasks::Tasks;
use hearth_types::time::Clock;
use tokio::sync::watch;

/// The APIs of this server.
pub(crate) struct OpenApis {
    /// HTTP and WebSocket APIs.
    pub(crate) http: Arc<Apis>,
    /// REST APIs.
    pub(crate) rest: Arc<RestApis>,
}

impl OpenApis {
    pub(crate) async fn open(
        store: &Sqlite,
        clock: &Arc<dyn Clock>,
        tasks: &Tasks,
    ) -> anyhow::Result<Self> {
        let http = Apis::open(Arc::new(store.clone()), Arc::clone(clock)).await;
        let rest = RestApis::open(Arc::new(store.clone()), Arc::clone(clock), tasks.clone()).await;
        Ok(Self {
            http: Arc::new(http.context("could not open the HTTP APIs")?),
            rest: Arc::new(rest.context("could not open the REST APIs")?),
        })
    }
}

/// All sites of this server.
pub(crate) fn sites(
    (control, invoker): (&Arc<Control>, &Arc<Invoker>),
    (apis, trust): (&OpenApis, &Trust),
    (balancers, sockets): (&Arc<Balancers>, &Arc<Sockets>),
) -> Sites {
    let signed = control.signed_urls();
    if signed > 0 {
        tracing::warn!(
            urls = signed,
            "function URLs with AWS_IAM take any signature that is well-formed: keys of callers are not known, so whoever reaches the port may call them"
        );
    }
    let functions = Functions::new(Arc::clone(invoker));
    let web = Arc::new(Web::new(trust.clone()));
    let http = ApiSite::new(Parts {
        apis: Arc::clone(&apis.http),
        control: Arc::clone(control),
        functions: functions.clone(),
        web: Arc::clone(&web),
        issuers: Arc::new(Web::new(trust.clone())),
    });
    let rest = RestSite::new(RestParts {
        apis: Arc::clone(&apis.rest),
        control: Arc::clone(control),
        functions,
        web,
    });
    let urls = Urls::new(Arc::clone(control), Arc::clone(invoker));
    let sockets = SocketSite::new(Arc::clone(sockets));
    Sites(vec![
        Arc::new(urls),
        Arc::new(http),
        Arc::new(sockets),
        Arc::new(rest),
        Arc::clone(balancers) as _,
    ])
}

/// The connections of WebSocket APIs: so many at the most.
pub(crate) fn sockets(
    (control, invoker): (&Arc<Control>, &Arc<Invoker>),
    apis: &OpenApis,
    connections_max: usize,
) -> Arc<Sockets> {
    Arc::new(Sockets::new(SocketParts {
        apis: Arc::clone(&apis.http),
        control: Arc::clone(control),
        functions: Functions::new(Arc::clone(invoker)),
        connections_max,
    }))
}

/// The load balancers. Their health checks end when no new work is taken.
pub(crate) async fn balancers(
    (store, admission): (&Sqlite, &watch::Receiver<Admission>),
    (control, invoker): (&Arc<Control>, &Arc<Invoker>),
    (clock, tasks): (&Arc<dyn Clock>, &Tasks),
) -> anyhow::Result<Arc<Balancers>> {
    let opened = Balancers::open(balancers::Parts {
        records: Arc::new(store.clone()),
        control: Arc::clone(control),
        invoker: Arc::clone(invoker),
        clock: Arc::clone(clock),
    });
    let opened = opened.await.context("could not open the load balancers")?;
    opened.start(tasks);
    let (checked, mut admission) = (Arc::clone(&opened), admission.clone());
    tasks.spawn("end of health checks", async move {
        let _ = admission.wait_for(|admission| *admission == Admission::Draining).await;
        checked.close();
    });
    Ok(opened)
}
