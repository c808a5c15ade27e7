//! Where day documents go.

use reqwest::Url;

use crate::config::check::Findings;
use crate::config::{Config, Supplier, SupplierAuth, keys};

pub fn check(config: &Config, findings: &mut Findings<'_>) {
    let Some(supplier) = &config.supplier else { return };
    match Url::parse(supplier.url.get_ref().trim()) {
        Err(reason) => {
            let remedy = "write it in full, such as \"https://feed.supplier.example\"";
            findings.fault("supplier.url", format!("not a URL: {reason}"), remedy);
        }
        Ok(url) => address(&url, supplier.url.get_ref(), findings),
    }
    proof(supplier, findings);
    if let Some(proxy) = &supplier.proxy {
        self::proxy(proxy.get_ref(), findings);
    } else if supplier.proxy_credentials_file.is_some() {
        let remedy = "name the proxy with `proxy`, or take this out";
        findings.fault("supplier.proxy-credentials-file", "credentials for a proxy, and no proxy", remedy);
    }
    for (key, file) in [
        ("token-file", &supplier.token_file),
        ("device-key", &supplier.device_key),
        ("client-cert", &supplier.client_cert),
        ("client-key", &supplier.client_key),
        ("ca-file", &supplier.ca_file),
        ("proxy-credentials-file", &supplier.proxy_credentials_file),
    ] {
        if file.as_ref().is_some_and(|file| !file.is_absolute()) {
            let remedy = "name the file by its full path; the secret itself does not belong here";
            let remedy =
                if matches!(key, "ca-file" | "client-cert") { "name the file by its full path" } else { remedy };
            findings.fault(&format!("supplier.{key}"), "not an absolute path", remedy);
        }
    }
}

/// What the box proves itself with: one way, and all that it needs.
fn proof(supplier: &Supplier, findings: &mut Findings<'_>) {
    if let Some(word) = supplier.auth.as_ref().filter(|word| SupplierAuth::of(word.get_ref()).is_none()) {
        let near = keys::nearest(word.get_ref(), SupplierAuth::ALL.map(|(word, _)| word));
        let remedy =
            near.map_or("write \"bearer\", \"signature\" or \"mtls\"".to_owned(), |near| format!("write {near:?}"));
        findings.fault("supplier.auth", "neither \"bearer\" nor \"signature\" nor \"mtls\"", remedy);
        return;
    }
    let way = supplier.auth();
    for (key, given, of) in [
        ("token-file", supplier.token_file.is_some(), SupplierAuth::Bearer),
        ("device-key", supplier.device_key.is_some(), SupplierAuth::Signature),
        ("client-cert", supplier.client_cert.is_some(), SupplierAuth::Mtls),
        ("client-key", supplier.client_key.is_some(), SupplierAuth::Mtls),
    ] {
        if given && of != way {
            let said = if supplier.auth.is_some() { "" } else { ", which is the default" };
            let reason = format!("not used with auth = {:?}{said}", way.word());
            let remedy = format!("write auth = {:?}, or take this out", of.word());
            findings.fault(&format!("supplier.{key}"), reason, remedy);
        }
    }
    if way != SupplierAuth::Mtls {
        return;
    }
    for (key, given) in [("client-cert", supplier.client_cert.is_some()), ("client-key", supplier.client_key.is_some())]
    {
        if !given {
            let remedy = format!("name the file with `{key}`");
            findings.fault(
                "supplier.auth",
                format!("\"mtls\" needs a certificate and its key, and there is no {key}"),
                remedy,
            );
        }
    }
    if supplier.url.get_ref().trim().starts_with("http:") {
        let remedy = "write https://, or take another `auth`";
        findings.fault(
            "supplier.auth",
            "\"mtls\" needs TLS, and the url has none: nobody would see the certificate",
            remedy,
        );
    }
}

fn proxy(written: &str, findings: &mut Findings<'_>) {
    let mut fault = |reason: &str, remedy: &str| findings.fault("supplier.proxy", reason, remedy);
    let remedy = "write it as \"http://proxy.example:3128\"";
    match Url::parse(written) {
        Err(reason) => fault(&format!("not a URL: {reason}"), remedy),
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            fault("a name and password in the URL", "put them into a file and name that with `proxy-credentials-file`");
        }
        Ok(url) if url.scheme() != "http" => {
            fault("not an http address; what goes through the proxy is encrypted to the supplier all the same", remedy);
        }
        Ok(url) if url.path() != "/" || url.query().is_some() || url.fragment().is_some() => {
            fault("more than an address and a port", remedy);
        }
        Ok(_) => {}
    }
}

fn address(url: &Url, written: &str, findings: &mut Findings<'_>) {
    let mut fault = |reason: &str, remedy: &str| findings.fault("supplier.url", reason, remedy);
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let loopback = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    match url.scheme() {
        "https" => {}
        "http" if loopback => {}
        "http" => fault("without TLS, everything on the way could read and change it", "write https://"),
        _ => return fault("neither https nor a receiver on this machine", "begin it with https://"),
    }
    if written.trim() != written {
        fault("blanks around the URL", "take them out");
    }
    if !url.username().is_empty() || url.password().is_some() {
        fault("a name and password in the URL", "take them out; the token goes into the file that `token-file` names");
    }
    if url.query().is_some() || url.fragment().is_some() {
        fault("`?` or `#` in the URL: smdrd adds its own path after it", "end it before that");
    }
    if url.path().split('/').any(|part| matches!(part, "v1" | "practices" | "days")) {
        fault("smdrd adds /v1/practices/… itself", "end the URL before /v1");
    } else if url.path().len() > 1 && url.path().ends_with('/') {
        fault("ends in a slash, and smdrd adds one of its own", "take the last slash out");
    }
}
