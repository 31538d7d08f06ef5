# Varnish in front of the site (port 8001): one copy of a page for everybody, whatever their cookies are.
vcl 4.1;

backend site {
    .host = "127.0.0.1";
    .port = "8001";
}

sub vcl_recv {
    # The one rule for the middleware: who is reading is asked of the site, and kept by nobody.
    if (req.url ~ "^/_viafoura/(session|logout)") {
        return (pass);
    }
    if (req.method == "GET" && req.url !~ "^/account") {
        unset req.http.Cookie;
    }
}

sub vcl_deliver {
    set resp.http.X-Cache = "MISS";
    if (obj.hits > 0) {
        set resp.http.X-Cache = "HIT";
    }
}
