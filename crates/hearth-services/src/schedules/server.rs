//! Who this server is, for as long as its records are kept: what it notes in a queue that it shares
//! with others stands under this name.

use std::sync::Arc;

use hearth_store::error::StoreError;
use hearth_store::records::{RecordKey, Records};
use hearth_types::names::{AccountId, Region, Scope};
use uuid::Uuid;

const KIND: &str = "server";

/// The name of the server whose records these are. One that has none yet gets one.
///
/// # Errors
///
/// If the store failed.
pub async fn server_id(records: &Arc<dyn Records>) -> Result<String, StoreError> {
    let kept = records.all(KIND).await?;
    if let Some(record) = kept.into_iter().next()
        && let Ok(id) = serde_json::from_str::<String>(&record.document)
    {
        return Ok(id);
    }
    let id = Uuid::new_v4().to_string();
    let document = serde_json::to_string(&id).expect("a text can be written as JSON");
    // It belongs to no account; records have one all the same.
    let scope = Scope {
        account: AccountId::parse("000000000000").expect("it has twelve digits"),
        region: Region::parse("us-east-1").expect("it is a region"),
    };
    let key = RecordKey { kind: KIND, scope, name: "id".to_owned() };
    records.put(&key, &document).await?;
    Ok(id)
}
