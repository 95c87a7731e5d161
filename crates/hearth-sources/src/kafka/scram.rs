//! SCRAM (RFC 5802, RFC 7677): shows a password without saying it, and that the other end knows it.
//! Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hearth_types::limits;
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256, Sha512};

use crate::access::Login;

/// Which hash function goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash {
    Sha256,
    Sha512,
}

impl Hash {
    fn of(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(bytes).to_vec(),
            Self::Sha512 => Sha512::digest(bytes).to_vec(),
        }
    }

    fn keyed(self, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        const ANY_KEY: &str = "a key of any length will do";
        match self {
            Self::Sha256 => {
                let mut code = Hmac::<Sha256>::new_from_slice(key).expect(ANY_KEY);
                parts.iter().for_each(|part| code.update(part));
                code.finalize().into_bytes().to_vec()
            }
            Self::Sha512 => {
                let mut code = Hmac::<Sha512>::new_from_slice(key).expect(ANY_KEY);
                parts.iter().for_each(|part| code.update(part));
                code.finalize().into_bytes().to_vec()
            }
        }
    }

    /// The password with its salt, so many times.
    fn salted(self, password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
        let mut round = self.keyed(password, &[salt, &1_u32.to_be_bytes()]);
        let mut all = round.clone();
        for _iteration in 1..iterations {
            round = self.keyed(password, &[&round]);
            mix(&mut all, &round);
        }
        all
    }
}

fn mix(into: &mut [u8], other: &[u8]) {
    for (one, other) in into.iter_mut().zip(other) {
        *one ^= other;
    }
}

/// What has been said first.
#[derive(Debug)]
pub(super) struct Hello {
    hash: Hash,
    login: Login,
    nonce: String,
    bare: String,
}

/// What has been said last, and what has to be answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Proof {
    /// To be said.
    pub(super) message: String,
    expected: String,
}

impl Hello {
    /// Begins, with a text that nobody has used before.
    pub(super) fn new(hash: Hash, login: &Login, nonce: &str) -> Self {
        let user = login.user.replace('=', "=3D").replace(',', "=2C");
        let bare = format!("n={user},r={nonce}");
        Self { hash, login: login.clone(), nonce: nonce.to_owned(), bare }
    }

    /// To be said.
    pub(super) fn message(&self) -> String {
        format!("n,,{}", self.bare)
    }

    /// Goes on from the answer; `None` if it is none.
    pub(super) fn prove(&self, answer: &str) -> Option<Proof> {
        let part = |name: &str| answer.split(',').find_map(|part| part.strip_prefix(name));
        let nonce = part("r=").filter(|nonce| nonce.starts_with(&self.nonce))?;
        let salt = STANDARD.decode(part("s=")?).ok()?;
        let iterations: u32 = part("i=")?.parse().ok()?;
        let usual = limits::KAFKA_SCRAM_ITERATIONS_MIN..=limits::KAFKA_SCRAM_ITERATIONS_MAX;
        if !usual.contains(&iterations) {
            return None;
        }
        let hash = self.hash;
        // `biws` is `n,,`.
        let without_proof = format!("c=biws,r={nonce}");
        let whole = format!("{},{answer},{without_proof}", self.bare);
        let salted = hash.salted(self.login.password.as_bytes(), &salt, iterations);
        let mut proof = hash.keyed(&salted, &[b"Client Key"]);
        let signature = hash.keyed(&hash.of(&proof), &[whole.as_bytes()]);
        mix(&mut proof, &signature);
        let server = hash.keyed(&salted, &[b"Server Key"]);
        let expected = STANDARD.encode(hash.keyed(&server, &[whole.as_bytes()]));
        Some(Proof { message: format!("{without_proof},p={}", STANDARD.encode(proof)), expected })
    }
}

impl Proof {
    /// Whether the last answer shows that the other end knows the password.
    pub(super) fn is_answered_by(&self, answer: &str) -> bool {
        answer.split(',').any(|part| part.strip_prefix("v=") == Some(self.expected.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(user: &str) -> Login {
        Login { user: user.to_owned(), password: "pencil".to_owned() }
    }

    #[test]
    fn the_example_of_the_standard() {
        let hello = Hello::new(Hash::Sha256, &login("user"), "rOprNGfwEbeRWgbNEkqO");
        assert_eq!(hello.message(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let answer = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
            s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let proof = hello.prove(answer).unwrap();
        assert_eq!(
            proof.message,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        assert!(proof.is_answered_by("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
        assert!(!proof.is_answered_by("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5="));
        assert!(!proof.is_answered_by("e=other-error"));
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let hello = Hello::new(Hash::Sha512, &login("a,b=c"), "nonce");
        assert_eq!(hello.message(), "n,,n=a=2Cb=3Dc,r=nonce");
        #[rustfmt::skip]
        let rows = [
            "r=other,s=AAAA,i=4096",
            "r=nonce1,s=AAAA,i=0",
            "r=nonce1,s=AAAA,i=4095",
            "r=nonce1,s=AAAA,i=4000000000",
            "r=nonce1,s=?,i=4096",
            "r=nonce1,s=AAAA",
            "",
        ];
        for answer in rows {
            assert_eq!(hello.prove(answer), None, "{answer}");
        }
        assert!(hello.prove("r=nonce1,s=AAAA,i=4096").is_some());
    }
}
