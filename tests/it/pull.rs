//! Pulling checkpoints from a server on loopback: whole, resumed, checked, through a proxy, refused.

#![allow(clippy::unwrap_used)] // a test may fail anywhere

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};

/// What the server does with a request.
#[derive(Clone, Copy)]
pub(crate) enum Manner {
    /// Serves the file, or the part that is asked for.
    Whole,
    /// Says how long the file is, and breaks off in the middle of the first request.
    BreaksOff,
    /// Breaks off always, and always at once.
    Dead,
    /// Ignores ranges.
    NoRanges,
    /// There is no such file.
    Missing,
    /// Serves the file with another one's digest in its `Content-MD5`.
    WrongDigest,
    /// Serves the file with its own digest.
    Digest,
}

/// A server of one file that notes what it was asked: the first line of each request and its range.
pub(crate) struct Server {
    pub(crate) address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) fn new(file: Vec<u8>, manner: Manner) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let notes = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let _ = answer(stream.unwrap(), &file, manner, &notes);
            }
        });
        Server { address, asked }
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn answer(
    mut stream: TcpStream,
    file: &[u8],
    manner: Manner,
    asked: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        let (mut range, mut line) = (None, String::new());
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            if line.trim().is_empty() {
                break;
            }
            let lower = line.to_lowercase();
            if let Some(start) = lower.strip_prefix("range: bytes=") {
                range = start.trim().trim_end_matches('-').parse::<usize>().ok();
            }
        }
        let number = {
            let mut asked = asked.lock().unwrap();
            asked.push(format!("{} {range:?}", first.trim()));
            asked.len()
        };
        // A proxy is asked to open a tunnel, and then everything goes to whom it would have gone.
        if first.starts_with("CONNECT") {
            stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
            continue;
        }
        match (manner, range) {
            (Manner::Missing, _) => {
                stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?
            }
            (Manner::Dead, _) => return Ok(()),
            (Manner::BreaksOff, None) if number == 1 => {
                write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", file.len())?;
                stream.write_all(&file[..file.len() / 2])?;
                return Ok(());
            }
            (Manner::NoRanges, _) | (_, None) => {
                let digest = match manner {
                    Manner::WrongDigest => format!("Content-MD5: {OTHER_MD5}\r\n"),
                    Manner::Digest => format!("Content-MD5: {}\r\n", checkpoint_md5()),
                    _ => String::new(),
                };
                write!(stream, "HTTP/1.1 200 OK\r\n{digest}Content-Length: {}\r\n\r\n", file.len())?;
                stream.write_all(file)?;
            }
            (_, Some(start)) if start >= file.len() => {
                write!(
                    stream,
                    "HTTP/1.1 416 No\r\nContent-Range: bytes */{}\r\nContent-Length: 0\r\n\r\n",
                    file.len()
                )?;
            }
            (_, Some(start)) => {
                let (length, last) = (file.len() - start, file.len() - 1);
                write!(stream, "HTTP/1.1 206 Partial Content\r\nContent-Length: {length}\r\n")?;
                write!(stream, "Content-Range: bytes {start}-{last}/{}\r\n\r\n", file.len())?;
                stream.write_all(&file[start..])?;
            }
        }
    }
}

fn checkpoint() -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden/tv-pyramid/model.pth"))
        .unwrap()
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) struct Home(tempfile::TempDir);

impl Home {
    pub(crate) fn new() -> Home {
        Home(tempfile::tempdir().unwrap())
    }

    pub(crate) fn rcnn(&self, args: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rcnn"));
        for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
            command.env_remove(name);
        }
        command.args(args).env("RCNN_CACHE", self.0.path()).envs(variables.iter().copied()).output().unwrap()
    }

    /// The unfinished download, of which there is one.
    fn part(&self) -> Option<PathBuf> {
        let folders = std::fs::read_dir(self.0.path().join("downloads")).ok()?;
        let files = folders.flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap());
        files.map(|file| file.unwrap().path()).find(|path| path.extension().is_some_and(|end| end == "part"))
    }

    fn model(&self) -> serde_json::Value {
        let text = std::fs::read_to_string(self.0.path().join("models/mine/model.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

pub(crate) fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_file_is_loaded_checked_and_imported() {
    let file = checkpoint();
    let server = Server::new(file.clone(), Manner::Whole);
    let (home, url) = (Home::new(), format!("{}/model.pth", server.address));
    let output = home.rcnn(&["pull", &url, "--name", "mine", "--sha256", &hash(&file)[..8]], &[]);
    assert!(output.status.success(), "{}", text(&output));
    let model = home.model();
    assert_eq!((&model["name"], &model["provenance"]["origin"]["url"]), (&"mine".into(), &url.into()));
    assert_eq!(model["provenance"]["sha256"], hash(&file));
    let again = home.rcnn(&["pull", &format!("{}/model.pth", server.address), "--name", "mine"], &[]);
    assert!(again.status.success() && text(&again).contains("already"), "{}", text(&again));
    assert_eq!(server.asked().len(), 1, "{:?}", server.asked());
    let listed = home.rcnn(&["models", "--json"], &[]);
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    let mine = listed["models"].as_array().unwrap().iter().find(|model| model["name"] == "mine").unwrap();
    assert_eq!((&mine["place"], &mine["family"]), (&"cache".into(), &"torchvision".into()));
}

#[test]
fn a_broken_connection_is_taken_up_where_it_broke() {
    let file = checkpoint();
    let server = Server::new(file.clone(), Manner::BreaksOff);
    let home = Home::new();
    let url = format!("{}/model.pth", server.address);
    let output = home.rcnn(&["pull", &url, "--name", "mine", "--sha256", &hash(&file)], &[]);
    assert!(output.status.success(), "{}", text(&output));
    let half = file.len() / 2;
    assert_eq!(
        server.asked(),
        ["GET /model.pth HTTP/1.1 None".to_owned(), format!("GET /model.pth HTTP/1.1 Some({half})")]
    );
}

#[test]
fn a_later_run_goes_on_with_what_is_there() {
    let file = checkpoint();
    for (manner, ranges) in [(Manner::Whole, true), (Manner::NoRanges, false)] {
        let server = Server::new(file.clone(), manner);
        let home = Home::new();
        let url = format!("{}/model.pth", server.address);
        // What an interrupted run leaves behind.
        let place = &hash(url.as_bytes())[..16];
        let folder = home.0.path().join("downloads").join(place);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("model.pth.part"), &file[..1000]).unwrap();
        let output = home.rcnn(&["pull", &url, "--name", "mine", "--sha256", &hash(&file)], &[]);
        assert!(output.status.success(), "{}", text(&output));
        assert_eq!(server.asked(), ["GET /model.pth HTTP/1.1 Some(1000)"], "{ranges}");
        assert_eq!(home.model()["provenance"]["sha256"], hash(&file));
    }
}

#[test]
fn other_bytes_than_published_are_thrown_away() {
    let mut file = checkpoint();
    let right = hash(&file);
    file[5000] ^= 1;
    let server = Server::new(file, Manner::Whole);
    let home = Home::new();
    let url = format!("{}/model.pth", server.address);
    let output = home.rcnn(&["pull", &url, "--name", "mine", "--sha256", &right[..8]], &[]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output);
    assert!(
        said.contains("SHA-256") && said.contains(&right[..8]) && said.contains("nothing was taken"),
        "{said}"
    );
    assert!(home.part().is_none() && !home.0.path().join("models").exists());
}

/// MD5 of nothing, in base64.
const OTHER_MD5: &str = "1B2M2Y8AsgTpgAmY7PhCfg==";

/// `md5sum` of the fixture, in base64.
fn checkpoint_md5() -> &'static str {
    "Y4IuKTrYZTnAy0Iz4nnFjg=="
}

/// Where no hash is published, the server's own word for the file is what it is held against.
#[test]
fn the_servers_digest_is_checked_where_no_other_is_known() {
    let server = Server::new(checkpoint(), Manner::WrongDigest);
    let home = Home::new();
    let url = format!("{}/model.pth", server.address);
    let output = home.rcnn(&["pull", &url, "--name", "mine"], &[]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("MD5") && text(&output).contains("d41d8cd98f00b204"), "{}", text(&output));
    // The digest that is given goes before the server's.
    let output = home.rcnn(&["pull", &url, "--name", "mine", "--sha256", &hash(&checkpoint())], &[]);
    assert!(output.status.success(), "{}", text(&output));
    let server = Server::new(checkpoint(), Manner::Digest);
    let output = Home::new().rcnn(&["pull", &format!("{}/model.pth", server.address), "--name", "mine"], &[]);
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn what_is_no_hash_is_wrong_usage_and_nothing_is_loaded() {
    let server = Server::new(checkpoint(), Manner::Whole);
    let url = format!("{}/model.pth", server.address);
    let long = "a".repeat(65);
    for wrong in ["", " ", "8f3a", "not a hash", "0x8f3a1122", &long] {
        let output = Home::new().rcnn(&["pull", &url, "--name", "mine", "--sha256", wrong], &[]);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}: {}", text(&output));
        assert!(text(&output).contains("64 hexadecimal digits"), "{}", text(&output));
    }
    assert!(server.asked().is_empty(), "{:?}", server.asked());
}

/// As `rcnn pull … | true` may have it.
#[cfg(unix)]
#[test]
fn nobody_need_read_what_is_said() {
    let server = Server::new(checkpoint(), Manner::Whole);
    let (home, url) = (Home::new(), format!("{}/model.pth", server.address));
    for _ in 0..2 {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_rcnn"));
        command.args(["pull", &url, "--name", "mine"]).env("RCNN_CACHE", home.0.path()).env("NO_PROXY", "*");
        let output = command.stdout(writer).stderr(std::process::Stdio::piped()).spawn().unwrap();
        let output = output.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
        assert!(!text(&output).contains("mistake"), "{}", text(&output));
    }
    assert_eq!(home.model()["name"], "mine");
}

#[test]
fn a_server_that_fails_is_told_in_one_line() {
    for (manner, word) in [(Manner::Missing, "404"), (Manner::Dead, "cannot download")] {
        let server = Server::new(checkpoint(), manner);
        let home = Home::new();
        let output = home.rcnn(&["pull", &format!("{}/model.pth", server.address), "--name", "mine"], &[]);
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let last = said.lines().last().unwrap();
        assert!(last.starts_with("rcnn: ") && last.contains(word), "{said}");
    }
}

#[test]
fn what_is_no_checkpoint_is_not_imported() {
    let server = Server::new(b"<!DOCTYPE html><p>log in first</p>".to_vec(), Manner::Whole);
    let home = Home::new();
    let output = home.rcnn(&["pull", &format!("{}/model.pth", server.address), "--name", "mine"], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("web page"), "{}", text(&output));
}

#[test]
fn proxies_are_asked() {
    let proxy = Server::new(checkpoint(), Manner::Whole);
    let home = Home::new();
    let url = "http://models.invalid/model.pth";
    let output =
        home.rcnn(&["pull", url, "--name", "mine"], &[("HTTP_PROXY", &proxy.address), ("NO_PROXY", "")]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(proxy.asked().iter().any(|asked| asked.contains("models.invalid")), "{:?}", proxy.asked());
}

#[test]
fn names_that_are_not_known_are_told() {
    let home = Home::new();
    let output = home.rcnn(&["pull", "no-such-model"], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("rcnn models"), "{}", text(&output));
    let output = home.rcnn(&["models", "--all"], &[]);
    let said = text(&output);
    assert!(said.contains("fod-r18") && said.contains("d2-r50-fpn-3x") && said.contains("AP 40.2"), "{said}");
}

#[test]
fn a_name_that_is_taken_is_refused_before_anything_is_loaded() {
    let server = Server::new(checkpoint(), Manner::Whole);
    let home = Home::new();
    let output = home.rcnn(&["pull", &format!("{}/model.pth", server.address), "--name", "fod-r18"], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("inside the program"), "{}", text(&output));
    assert!(server.asked().is_empty() && !home.0.path().join("models").exists());
}

#[test]
fn the_command_that_takes_the_model_is_told() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden");
    let server = Server::new(std::fs::read(fixtures.join("cls-r26/model.pth")).unwrap(), Manner::Whole);
    let home = Home::new();
    let url = format!("{}/model.pth", server.address);
    for _ in 0..2 {
        let output = home.rcnn(&["pull", &url, "--name", "mine"], &[]);
        assert!(text(&output).contains("`rcnn classify -m mine` takes it"), "{}", text(&output));
    }
}

#[test]
fn a_checkpoint_leaves_nothing_behind_unless_it_shall_be_kept() {
    let server = Server::new(checkpoint(), Manner::Whole);
    let home = Home::new();
    let url = format!("{}/model.pth", server.address);
    let left = || std::fs::read_dir(home.0.path().join("downloads")).unwrap().count();
    assert!(home.rcnn(&["pull", &url, "--name", "mine"], &[]).status.success());
    assert_eq!(left(), 0);
    let output = home.rcnn(&["pull", &url, "--name", "mine", "--again", "--keep"], &[]);
    let said = text(&output);
    let path = said.split("is kept as `").nth(1).and_then(|rest| rest.split('`').next());
    assert_eq!(std::fs::read(path.unwrap()).unwrap(), checkpoint(), "{said}");
}

/// A file of Detectron's that its publisher gives no hash of, so that a small one can take its place.
const UNHASHED: &str = "d1-r50-c4-1x";

fn detectron() -> Vec<u8> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden");
    std::fs::read(fixtures.join("c2-r50-c4/model.pkl")).unwrap()
}

#[test]
fn a_published_model_that_a_command_names_is_brought_from_the_mirror() {
    let server = Server::new(detectron(), Manner::Whole);
    let home = Home::new();
    let photo = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden/images/shapes.png");
    let (photo, out) = (photo.display().to_string(), home.0.path().join("out").display().to_string());
    let run = |options: &[&str]| {
        let runtime = crate::support::runtime().display().to_string();
        let line = [&["detect", &photo, "-m", UNHASHED, "-o", &out, "--no-draw"], options].concat();
        home.rcnn(&line, &[("RCNN_MIRROR", &server.address), ("ORT_DYLIB_PATH", &runtime), ("NO_PROXY", "*")])
    };
    let refused = run(&["--offline"]);
    let said = text(&refused);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(
        said.contains("--offline") && said.contains("--from FILE") && said.contains("model_final.pkl"),
        "{said}"
    );
    assert!(server.asked().is_empty());
    let output = run(&[]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("licence CC-BY-SA-3.0"), "{}", text(&output));
    // The publisher's path, below the mirror's address.
    assert!(
        server.asked().iter().all(|asked| asked.starts_with("GET /detectron/35857197/")),
        "{:?}",
        server.asked()
    );
    let asked = server.asked().len();
    assert!(run(&[]).status.success());
    assert_eq!(server.asked().len(), asked, "it is here now");
}

#[test]
fn a_file_that_came_by_other_means_is_checked_and_taken() {
    let home = Home::new();
    let file = home.0.path().join("brought.pkl");
    std::fs::write(&file, detectron()).unwrap();
    let path = file.display().to_string();
    let output = home.rcnn(&["pull", UNHASHED, "--from", &path], &[]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(home.0.path().join(format!("models/{UNHASHED}/model.json")).is_file() && file.is_file());
    let output = home.rcnn(&["pull", "coco", "--from", &path], &[]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("brought.pkl") && said.contains("MD5") && said.contains("280758"), "{said}");
    assert!(!home.0.path().join("models/d2-r50-fpn-3x").exists());
}

#[test]
fn mirrors_are_asked_in_turn() {
    let server = Server::new(detectron(), Manner::Whole);
    let home = Home::new();
    let mirrors = format!("http://127.0.0.1:9, {}", server.address);
    let output = home.rcnn(&["pull", UNHASHED], &[("RCNN_MIRROR", &mirrors), ("NO_PROXY", "*")]);
    assert!(output.status.success(), "{}", text(&output));
    let manifest = std::fs::read_to_string(home.0.path().join(format!("models/{UNHASHED}/model.json")));
    assert!(manifest.unwrap().contains(&server.address), "the address that it came from is kept");
}

#[test]
fn without_a_network_the_ways_around_are_told() {
    let output =
        Home::new().rcnn(&["pull", "coco"], &[("RCNN_MIRROR", "http://127.0.0.1:9"), ("NO_PROXY", "*")]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for way in ["HTTPS_PROXY", "RCNN_MIRROR", "rcnn pull d2-r50-fpn-3x --from FILE"] {
        assert!(said.contains(way), "{said}");
    }
}
