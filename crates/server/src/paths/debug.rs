//! `/debug`: pages about the process (`--profiling`), and the verbosity of the log, changed while the server runs.
//! (`k8s.io/apiserver/pkg/server/routes`.)

use crate::app::App;
use crate::exchange::Exchange;
use crate::paths::pprof;
use crate::permits::Requester;
use crate::request::Request;
use crate::request_body::Unread;
use crate::response::Response;
use hyper::Method;
use pintle_object::Status;
use pintle_object::field::quote;

const FLAGS: &str = "/debug/flags";
const VERBOSITY: &str = "/debug/flags/v";
const INDEX: &str = "<html>\n<head>\n<title>/debug/flags/</title>\n</head>\n<body>\n/debug/flags/<br>\n<br>\nflags:<br>\n\
                     <table>\n<tr>v<br>\n</table>\n<br>\nfull flags configurable<br>\n</body>\n</html>\n";

/// The answer, when the path is one of these.
pub async fn answer(
    app: &App,
    request: &Request,
    exchange: &mut Exchange,
) -> Result<Option<Response>, Status> {
    if !app.options.has_profiling {
        return Ok(None);
    }
    match request.path() {
        VERBOSITY => verbosity(app, request, exchange).await.map(Some),
        FLAGS => Ok(Some(index())),
        path if path.starts_with("/debug/flags/") => Ok(Some(index())),
        _ => Ok(pprof::answer(request).await),
    }
}

fn index() -> Response {
    Response::new(200, "text/html; charset=utf-8", INDEX)
}

async fn verbosity(app: &App, request: &Request, exchange: &mut Exchange) -> Result<Response, Status> {
    let body = exchange.body.take();
    let (Method::PUT, Some(body)) = (request.method.clone(), body) else {
        return Ok(plain(406, "unsupported http method".into()));
    };
    let body = match app.bodies.read(Requester::of(&request.user), body).await {
        Ok(read) => read.bytes,
        Err(Unread::Refused(status)) => return Err(status),
        Err(unread) => return unread.answer(),
    };
    Ok(match parse(&String::from_utf8_lossy(&body)) {
        Ok((text, verbosity)) => {
            app.verbosity.set(verbosity);
            plain(200, format!("successfully set klog.logging.verbosity to {text}"))
        }
        Err(why) => plain(400, why),
    })
}

fn parse(text: &str) -> Result<(&str, u8), String> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let failed = |why: &str| format!("strconv.ParseUint: parsing {}: {why}", quote(text));
    match text.parse::<u32>() {
        Ok(number) if is_number => Ok((text, u8::try_from(number).unwrap_or(u8::MAX))),
        Err(_) if is_number => Err(failed("value out of range")),
        _ => Err(failed("invalid syntax")),
    }
}

fn plain(status: u16, text: String) -> Response {
    Response::new(status, "text/plain", text).with("x-content-type-options", "nosniff")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verbosity_is_a_number() {
        assert_eq!(parse("4"), Ok(("4", 4)));
        assert_eq!(parse("300"), Ok(("300", u8::MAX)));
        assert_eq!(parse("a").unwrap_err(), "strconv.ParseUint: parsing \"a\": invalid syntax");
        assert_eq!(parse("-1").unwrap_err(), "strconv.ParseUint: parsing \"-1\": invalid syntax");
        let why = "strconv.ParseUint: parsing \"99999999999\": value out of range";
        assert_eq!(parse("99999999999").unwrap_err(), why);
    }
}
