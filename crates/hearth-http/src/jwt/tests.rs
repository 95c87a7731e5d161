//! Tokens that were really signed, and issuers that do not always answer.
//!
//! The tokens were made once, with a key that nobody has kept.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;

use super::keys::Documents;
use super::*;

const ISSUER: &str = "https://issuer.example/pool";
const NOW: Timestamp = Timestamp(1_700_000_000_000);

const N: &str = "uaYilmNWiN_Qr_mPMjo74h_GY_bqsHGLBklnaaFZAfUA1varCito8bsw9JWnlNUdiXPYLvZU_2hqEsCir_Va8sBG4QSqlR1itwEZdobQQ94EVyzeLm8msINGMzFHXZuBl5qcan8OnAWNPXtnYFwDPV06zsoAsnQ4sTxoyn3oUqoBZif7zFb_zKiQdwLcZBYbjy-SC4hnKX2uFqHSd4Nv_JPpabNfB-LQUV9aHYI8Dpyzxr5YAOnSwwPcOZYjv7c_m-NNZUthW97dmm3EjO3BxbaMVJtGexyvnLaX5EewmHVOQj-7suvZEI5REYk8JFfs2lAsyQV2UVAqZfM1zSKu2w";
const RS256: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6Im9uZSJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlL3Bvb2wiLCJhdWQiOiJtZSIsImV4cCI6MTcwMDAwMDEwMCwic3ViIjoicyIsInNjb3BlIjoicmVhZCJ9.tV1-XQSgIPG97L7TsN-nPSeW2eqE2_TFrYqfDjo7OTWTESMYu7_nlgOvprwx31N2sFjMEpbZYDe9hd37QjpEuUJq0jswiMiIS0ZuKKzaPD41ba8_47GDVp5Q9Fij7xfvt9vjxlgXlxOha8L44OELjEgRGjtKaOoCk-ZulhHZ7qfC0Sdk6WEFDkO3gwmUktDQ3g69Xzaaic42tLALhR3IlYahOf218VHgcSVrYiugXY8YEUERDrY2plCFEAT0nHTbEI_u0AiWYx_fWJTHjI55jTN2c340p5aUpGJZRJYPFzapqvW7JsgSM2f5L8TB7BEjdAVvZhkUK6l4oes61_D3Ig";
const RS384: &str = "eyJhbGciOiJSUzM4NCIsImtpZCI6Im9uZSJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlL3Bvb2wiLCJhdWQiOiJtZSIsImV4cCI6MTcwMDAwMDEwMCwic3ViIjoicyIsInNjb3BlIjoicmVhZCJ9.Eua1-md10NhYJ8Z8fiDVzPpyQN6zcE6tPSSwsjQXcU91XM9GM2PuMn4wBT9nDugN29asqXoEWghCS0cVvlygwHfN7pHYzdWbsCvuCmB3cPKHL3ZJNnR4RWBonQzmejH8ZBY-YHjdW_UttxxyerNuAQiMs4hhXsBiKXh1vnfECCShvKFo2mAnis02jsDPUhgSVFDx3YpWQTIiHxuZcyYJdEVX4UO4V6uWzP8VnBCVJxoXgKUtX_0Bjs6X2ldFymQZYAaVILCpOwjw_dmuye11MNNbqbET_dzrLBDEAepHjqnRDXxvXxwUOW996XEHDJlKhrACJVuPFKg89uKgmoGRMw";
const RS512: &str = "eyJhbGciOiJSUzUxMiIsImtpZCI6Im9uZSJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlL3Bvb2wiLCJhdWQiOiJtZSIsImV4cCI6MTcwMDAwMDEwMCwic3ViIjoicyIsInNjb3BlIjoicmVhZCJ9.OylcHDsfbi1tKFc9FZEVAOOj4LcZ2K_37IxktsdBH_UIY9CXMQzMw5ceQDS614MEyaOese2gG_7wAUrjtCHwHRteCrvb3eAZ0ZZxjfw071ZpJESp8a0P8iG1rkwT5PVRc2MA4nJkAjxkSXgslRinY2Pdy1HdVXla_KeTcPSqiIlID7KwR3BzZY9OWXv0U70tGhKW9W_MTiELXLWDTdg6KqbekAGIrB1JX0TNZJJuL6RqV-MSTnR9SanK9EfQg5QHNWPHy0mgYQO3ZZxwyfh0_EWGC0ufepH7Fe6aGf9x0OhDyiXZdY9gn5MdlQzmiBPRyU9cjIqFvG7UeUiqeJneRg";
const HS256: &str = "eyJhbGciOiJIUzI1NiIsImtpZCI6Im9uZSJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlL3Bvb2wiLCJhdWQiOiJtZSIsImV4cCI6MTcwMDAwMDEwMCwic3ViIjoicyIsInNjb3BlIjoicmVhZCJ9.sYaQGLLqNZPlirtMB4BKTy5dIaVFp561ITGFGX_eKXA";
const NONE: &str = "eyJhbGciOiJub25lIiwia2lkIjoib25lIn0.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZS9wb29sIiwgImF1ZCI6ICJtZSIsICJleHAiOiAxNzAwMDAwMTAwLCAic3ViIjogInMiLCAic2NvcGUiOiAicmVhZCJ9.";

/// An issuer, as a test wants it.
#[derive(Debug)]
struct Played {
    answers: Mutex<Answers>,
    fetched: AtomicUsize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answers {
    Well,
    WithKeysElsewhere,
    WithoutKeys,
    Not,
    Never,
}

impl Played {
    fn new(answers: Answers) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers), fetched: AtomicUsize::new(0) })
    }

    fn turn(&self, answers: Answers) {
        *self.answers.lock().unwrap() = answers;
    }

    fn fetched(&self) -> usize {
        self.fetched.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Documents for Played {
    async fn fetch(&self, url: &str) -> Result<Vec<u8>, String> {
        self.fetched.fetch_add(1, Ordering::Relaxed);
        let answers = *self.answers.lock().unwrap();
        if answers == Answers::Never {
            std::future::pending::<()>().await;
        }
        let place = if answers == Answers::WithKeysElsewhere {
            "http://issuer.example/keys"
        } else {
            "https://issuer.example/keys"
        };
        let key = json!({"kty": "RSA", "use": "sig", "kid": "one", "n": N, "e": "AQAB"});
        let other = json!({"kty": "EC", "kid": "two", "crv": "P-256", "x": "", "y": ""});
        let document = match (answers, url) {
            (Answers::Not, _) => return Err("it does not answer".to_owned()),
            (_, "https://issuer.example/pool/.well-known/openid-configuration") => {
                json!({"issuer": ISSUER, "jwks_uri": place})
            }
            (Answers::WithoutKeys, _) => json!({"keys": [other]}),
            (_, "https://issuer.example/keys") => json!({"keys": [other, key]}),
            (_, other) => return Err(format!("there is nothing at {other}")),
        };
        Ok(document.to_string().into_bytes())
    }
}

async fn looked_at(keys: &Keys, token: &str) -> Result<Accepted, String> {
    let audience = ["me".to_owned()];
    let expected = Expected { issuer: ISSUER, audience: &audience, scopes: &[] };
    verify(keys, token, expected, NOW).await.map_err(|why| why.to_string())
}

#[tokio::test]
async fn a_token_that_its_issuer_has_signed_is_accepted() {
    let played = Played::new(Answers::Well);
    let keys = Keys::new(Arc::clone(&played) as _);
    for token in [RS256, RS384, RS512, RS256] {
        let accepted = looked_at(&keys, token).await.unwrap();
        assert_eq!(accepted.claims["sub"], "s");
        assert_eq!(accepted.scopes, ["read"]);
    }
    assert_eq!(played.fetched(), 2, "the keys are remembered");
}

#[tokio::test]
async fn a_token_that_was_tampered_with_is_refused() {
    let keys = Keys::new(Played::new(Answers::Well) as _);
    let (message, signature) = RS256.rsplit_once('.').unwrap();
    let (_, other_signature) = RS384.rsplit_once('.').unwrap();
    let (header, _claims) = message.split_once('.').unwrap();
    let (_header, other_claims) = NONE.split_once('.').unwrap();
    let wrong = "the signature of the token is invalid";
    #[rustfmt::skip]
    let rows = [
        (format!("{message}.{other_signature}"),       wrong),
        (format!("{header}.{other_claims}{signature}"), wrong),
        (format!("{message}."),                        wrong),
        (HS256.to_owned(),                             "signing method HS256 is invalid"),
        (NONE.to_owned(),                              "the token is malformed"),
        ("token".to_owned(),                           "the token is malformed"),
        ("a.b.c".to_owned(),                           "the token is malformed"),
        (String::new(),                                "the token is malformed"),
    ];
    for (token, expected) in rows {
        assert_eq!(looked_at(&keys, &token).await.unwrap_err(), expected, "{token}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_key_is_looked_for_now_and_then() {
    let played = Played::new(Answers::WithoutKeys);
    let keys = Keys::new(Arc::clone(&played) as _);
    let unknown = "the token was signed with an unknown key";
    for _again in 0..3 {
        assert_eq!(looked_at(&keys, RS256).await.unwrap_err(), unknown);
    }
    assert_eq!(played.fetched(), 2, "whoever makes up tokens cannot have the issuer asked");
    played.turn(Answers::Well);
    tokio::time::advance(Duration::from_secs(31)).await;
    looked_at(&keys, RS256).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn keys_are_good_for_two_hours_also_if_the_issuer_is_gone() {
    let played = Played::new(Answers::Well);
    let keys = Keys::new(Arc::clone(&played) as _);
    looked_at(&keys, RS256).await.unwrap();
    played.turn(Answers::Not);
    tokio::time::advance(Duration::from_secs(2 * 3_600 - 1)).await;
    looked_at(&keys, RS256).await.unwrap();
    tokio::time::advance(Duration::from_secs(2)).await;
    let gone = "the keys of the issuer could not be had";
    assert_eq!(looked_at(&keys, RS256).await.unwrap_err(), gone);
    let asked = played.fetched();
    assert_eq!(looked_at(&keys, RS256).await.unwrap_err(), gone);
    assert_eq!(played.fetched(), asked);
}

#[tokio::test(start_paused = true)]
async fn whose_key_is_known_does_not_wait_for_one_that_is_made_up() {
    let played = Played::new(Answers::Well);
    let keys = Keys::new(Arc::clone(&played) as _);
    looked_at(&keys, RS256).await.unwrap();
    played.turn(Answers::Never);
    tokio::time::advance(Duration::from_secs(31)).await;
    tokio::select! {
        biased;
        _never = keys.key(ISSUER, "made up") => panic!("the issuer does not answer"),
        accepted = looked_at(&keys, RS256) => drop(accepted.unwrap()),
    }
    assert_eq!(played.fetched(), 3, "it was asked");
    // Whoever caused that has gone away, and it is not asked again at once.
    let again = keys.key(ISSUER, "made up").await;
    assert_eq!(again.err(), Some(KeysError::Unknown));
    assert_eq!(played.fetched(), 3);
}

#[tokio::test]
async fn keys_are_not_taken_in_clear_from_another_machine() {
    let keys = Keys::new(Played::new(Answers::WithKeysElsewhere) as _);
    let expected = "the keys of the issuer could not be had";
    assert_eq!(looked_at(&keys, RS256).await.unwrap_err(), expected);
}
