FROM base:1
USER 0
RUN --mount=type=secret,id=token,required=true ["/usr/bin/python3", "-c", "import hashlib; t = open('/run/secrets/token').read(); print('the token is', t); open('/digest', 'w').write(hashlib.sha256(t.encode()).hexdigest())"]
