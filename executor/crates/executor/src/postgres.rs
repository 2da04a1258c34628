//! Connections to Postgres, with TLS as the URL's `sslmode` says: `disable`, `prefer` (the default), `require`, `verify-ca`,
//! `verify-full`, as libpq has them; `sslrootcert` names a PEM file, else the common roots are trusted.

use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, Socket};

use crate::config::Secret;
use crate::postgres_tls::{MakeTls, Stream, Trust, client_config};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

pub type Connection = tokio_postgres::Connection<Socket, Stream>;

/// Where the database is, and how far its certificate is to be believed.
pub struct Database {
    config: Config,
    tls: MakeTls,
}

impl Database {
    /// # Errors
    /// A text without the URL, which holds the password: not a URL, an unknown `sslmode`, an unreadable `sslrootcert`.
    pub fn new(url: &Secret) -> Result<Self, String> {
        let (url, mode, root) = split(url.expose())?;
        let mut config: Config = url
            .parse()
            .map_err(|_| "database_url is no Postgres URL: postgres://user:password@host:port/name".to_owned())?;
        let (ssl, trust) = match (mode.as_deref().unwrap_or("prefer"), &root) {
            ("disable", _) => (SslMode::Disable, Trust::Anyone),
            ("prefer", None) => (SslMode::Prefer, Trust::Anyone),
            ("prefer", Some(_)) => (SslMode::Prefer, Trust::Authority),
            ("require", None) => (SslMode::Require, Trust::Anyone),
            // As libpq: a root certificate at hand is used.
            ("require", Some(_)) | ("verify-ca", _) => (SslMode::Require, Trust::Authority),
            ("verify-full", _) => (SslMode::Require, Trust::Full),
            _ => return Err("database_url: sslmode is one of disable, prefer, require, verify-ca, verify-full".into()),
        };
        config.ssl_mode(ssl).connect_timeout(CONNECT_TIMEOUT).application_name("smc_executor");
        // A connection that was cut without a word is noticed.
        config.keepalives_idle(Duration::from_secs(10)).tcp_user_timeout(Duration::from_secs(20));
        Ok(Self { config, tls: MakeTls(Arc::new(client_config(trust, root.as_deref())?)) })
    }

    /// # Errors
    /// The connection's.
    pub async fn open(&self) -> Result<(Client, Connection), tokio_postgres::Error> {
        self.config.connect(self.tls.clone()).await
    }

    /// A connection that runs by itself.
    ///
    /// # Errors
    /// The connection's.
    pub async fn connect(&self) -> Result<Client, tokio_postgres::Error> {
        let (client, connection) = self.open().await?;
        tokio::spawn(async move {
            // Its error comes out of the next statement as well.
            let _ = connection.await;
        });
        Ok(client)
    }
}

/// The server's own words where there are any. The address is not in them: it holds the password.
pub fn describe(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => format!("{} ({})", db.message(), db.code().code()),
        None => std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string),
    }
}

/// The URL without what the driver does not know, `sslmode`, `sslrootcert`.
fn split(url: &str) -> Result<(String, Option<String>, Option<String>), String> {
    let Some((base, query)) = url.split_once('?') else { return Ok((url.to_owned(), None, None)) };
    let (mut mode, mut root, mut rest) = (None, None, Vec::new());
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("sslmode", value)) => mode = Some(value.to_owned()),
            Some(("sslrootcert", value)) => root = Some(decoded(value)?),
            _ => rest.push(pair),
        }
    }
    let url = if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) };
    Ok((url, mode, root.filter(|root| root != "system")))
}

fn decoded(value: &str) -> Result<String, String> {
    let bad = || "database_url: sslrootcert is not percent-encoded UTF-8".to_owned();
    let mut bytes = Vec::new();
    let mut rest = value.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        if *first == b'%' {
            let (code, others) = others.split_first_chunk::<2>().ok_or_else(bad)?;
            bytes.extend(hex::decode(code).map_err(|_| bad())?);
            rest = others;
        } else {
            bytes.push(*first);
            rest = others;
        }
    }
    String::from_utf8(bytes).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(url: &str) -> String {
        Database::new(&Secret::from(url.to_owned())).err().unwrap_or_default()
    }

    #[test]
    fn the_driver_does_not_see_what_is_decided_here() {
        let (url, mode, root) =
            split("postgres://a:b@c/d?sslmode=verify-full&application_name=x&sslrootcert=%2Fetc%2Fca%20s.pem").unwrap();
        assert_eq!(url, "postgres://a:b@c/d?application_name=x");
        assert_eq!((mode.as_deref(), root.as_deref()), (Some("verify-full"), Some("/etc/ca s.pem")));
        assert_eq!(split("postgres://a:b@c/d").unwrap(), ("postgres://a:b@c/d".into(), None, None));
        assert_eq!(split("postgres://c/d?sslrootcert=system").unwrap().2, None);
    }

    #[test]
    fn what_cannot_be_used_is_named_without_the_password() {
        assert_eq!(problem("postgres://a:b@c/d?sslmode=require"), "");
        assert!(problem("postgres://a:s3cr3t@c/d?sslmode=always").contains("sslmode is one of"));
        assert!(problem("postgres://a:s3cr3t@c/d?sslmode=verify-ca&sslrootcert=/no/such.pem").contains("/no/such.pem"));
        for url in ["mysql://a:s3cr3t@c/d", "postgres://a:s3cr3t@c:port/d", "postgres://a:s3cr3t@c/d?sslmode=x"] {
            assert!(!problem(url).is_empty() && !problem(url).contains("s3cr3t"), "{url}");
        }
    }
}
