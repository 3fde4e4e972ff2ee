//! Proxies from Debian's packages.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A proxy that runs in a directory of its own.
pub struct Proxy {
    child: Child,
    pub address: SocketAddr,
    /// A second one, for a proxy that takes HTTP/2 at a port of its own.
    pub second: SocketAddr,
    _directory: tempfile::TempDir,
}

impl Proxy {
    /// Starts `program` with `arguments` and the file of the configuration, which is told the two addresses and the directory.
    pub fn start(
        program: &str,
        arguments: &[&str],
        configuration: impl Fn([SocketAddr; 2], &str) -> String,
    ) -> Self {
        // The ports were free a moment ago: a proxy cannot be told to choose its own and say which. When somebody else took
        // one meanwhile, it ends, and others are tried.
        for _ in 0..5 {
            if let Some(proxy) = Self::try_start(program, arguments, &configuration) {
                return proxy;
            }
        }
        panic!("{program} did not start");
    }

    fn try_start(
        program: &str,
        arguments: &[&str],
        configuration: impl Fn([SocketAddr; 2], &str) -> String,
    ) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let free = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [address, second] = free.map(|listener| listener.local_addr().unwrap());
        let path = directory.path().to_str().unwrap();
        let file = directory.path().join("proxy.conf");
        std::fs::write(&file, configuration([address, second], path)).unwrap();
        let child = Command::new(program)
            .args(arguments)
            .arg(&file)
            .env("HOME", path)
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|_| panic!("{program} IS NOT INSTALLED: apt-get install {program}"));
        let mut proxy = Self { child, address, second, _directory: directory };
        for _ in 0..200 {
            let runs = proxy.child.try_wait().unwrap().is_none();
            match TcpStream::connect(address) {
                _ if !runs => return None,
                Ok(_) => return Some(proxy),
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
        None
    }

    /// Waits until it listens at the second address, too.
    pub fn wait_for_second(&self) {
        for _ in 0..200 {
            if TcpStream::connect(self.second).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("it does not listen at {}", self.second);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // nginx runs without a master here, so that it goes with this one signal.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A configuration of nginx that has these servers, in one process that writes nowhere but into `directory`.
pub fn nginx(servers: &str, directory: &str) -> String {
    let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {directory}/{name};\n"))
        .concat();
    format!(
        "daemon off;\nmaster_process off;\npid {directory}/pid;\nerror_log stderr;\nevents {{}}\n\
         http {{\naccess_log off;\n{paths}{servers}}}\n"
    )
}

/// A Caddyfile that has these servers, without the endpoint and the certificates that it would have besides.
pub fn caddyfile(servers: &str) -> String {
    format!("{{\n\tadmin off\n\tauto_https off\n\tservers {{\n\t\tprotocols h1 h2c\n\t}}\n}}\n{servers}")
}
