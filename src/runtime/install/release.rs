//! The release archive over HTTPS.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use ureq::Agent;

use super::sources::Release;
use crate::http;

/// More than any archive of the project has.
const MOST_BYTES: u64 = 1 << 30;

#[derive(Deserialize)]
struct Description {
    assets: Vec<Asset>,
}

#[derive(Deserialize)]
struct Asset {
    name: String,
    #[serde(default)]
    digest: Option<String>,
}

/// Downloads the archive into `folder`; gives it with the SHA-256 that the release states.
pub(super) fn download(release: &Release, folder: &Path) -> Result<(PathBuf, String), String> {
    let agent = http::agent(true);
    let sha256 = stated_hash(&agent, release)?;
    let path = folder.join(&release.archive);
    let url = format!("{}/{}", release.files, release.archive);
    let mut response = agent.get(&url).call().map_err(|error| failed(&url, &error))?;
    let mut body = response.body_mut().with_config().limit(MOST_BYTES).reader();
    let mut file = File::create(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    io::copy(&mut body, &mut file).map_err(|error| failed(&url, &error))?;
    Ok((path, sha256))
}

fn failed(url: &str, error: &(dyn std::error::Error + 'static)) -> String {
    format!("{url}: {}", http::reason(error))
}

fn stated_hash(agent: &Agent, release: &Release) -> Result<String, String> {
    let url = &release.description;
    let mut response = agent.get(url).call().map_err(|error| failed(url, &error))?;
    let body = response.body_mut().with_config().limit(8 << 20).read_to_vec();
    let body = body.map_err(|error| failed(url, &error))?;
    let description: Description = serde_json::from_slice(&body)
        .map_err(|error| format!("{url} is no description of a release: {error}"))?;
    let asset = description.assets.iter().find(|asset| asset.name == release.archive);
    let digest = asset.and_then(|asset| asset.digest.as_deref()?.strip_prefix("sha256:"));
    digest.map(str::to_owned).ok_or_else(|| format!("{url} states no SHA-256 for `{}`", release.archive))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    use super::super::fetch::fetch;
    use super::super::sources::InstallSource;
    use super::super::unpack;
    use super::*;

    /// A server on loopback that gives each path its bytes.
    fn serve(files: HashMap<&'static str, Vec<u8>>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
                let request = lines.next().unwrap_or_default();
                let _headers: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
                let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
                let (status, body) = match files.get(path.as_str()) {
                    Some(body) => ("200 OK", body.as_slice()),
                    None => ("404 Not Found", &b""[..]),
                };
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(body);
            }
        });
        address
    }

    fn archive(library: &[u8]) -> Vec<u8> {
        let mut tar =
            tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
        let mut add = |path: &str, bytes: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o755);
            header.set_cksum();
            tar.append_data(&mut header, path, bytes).unwrap();
        };
        add("onnxruntime-x/LICENSE", b"text");
        add(&format!("onnxruntime-x/lib/{}", library_name()), library);
        tar.into_inner().unwrap().finish().unwrap()
    }

    fn library_name() -> &'static str {
        if cfg!(windows) {
            "onnxruntime.dll"
        } else if cfg!(target_os = "macos") {
            "libonnxruntime.1.31.1.dylib"
        } else {
            "libonnxruntime.so.1.31.1"
        }
    }

    fn description(archive: &[u8]) -> Vec<u8> {
        let hash = crate::hash::sha256(archive);
        format!(r#"{{"tag_name": "v1", "assets": [{{"name": "x.tgz", "digest": "sha256:{hash}"}}]}}"#)
            .into_bytes()
    }

    fn release(address: &str) -> InstallSource {
        InstallSource::Release(Release {
            archive: "x.tgz".into(),
            files: format!("{address}/files"),
            description: format!("{address}/description"),
        })
    }

    #[test]
    fn the_archive_comes_over_http_and_only_its_library_is_unpacked() {
        let packed = archive(b"a library");
        let stated = description(&packed);
        let address = serve(HashMap::from([("/description", stated), ("/files/x.tgz", packed)]));
        let folder = tempfile::tempdir().unwrap();
        let fetched = fetch(&release(&address), folder.path()).unwrap();
        let libraries = folder.path().join("libraries");
        unpack::libraries(&fetched, &libraries).unwrap();
        let names: Vec<_> =
            std::fs::read_dir(&libraries).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, [library_name()]);
        assert_eq!(std::fs::read(libraries.join(library_name())).unwrap(), b"a library");
    }

    #[test]
    fn an_archive_with_another_hash_is_refused() {
        let stated = description(&archive(b"the library"));
        let address = serve(HashMap::from([("/description", stated), ("/files/x.tgz", archive(b"another"))]));
        let folder = tempfile::tempdir().unwrap();
        let refusal = fetch(&release(&address), folder.path()).unwrap_err();
        assert!(refusal.contains("instead of"), "{refusal}");
    }

    #[test]
    fn a_missing_archive_is_named() {
        let address = serve(HashMap::from([("/description", description(b""))]));
        let folder = tempfile::tempdir().unwrap();
        let refusal = fetch(&release(&address), folder.path()).unwrap_err();
        assert!(refusal.contains("/files/x.tgz") && refusal.contains("404"), "{refusal}");
    }
}
