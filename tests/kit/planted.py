"""Secrets, names and addresses that must be in nothing that is sent, kept or logged."""

import base64
import random
import string
import uuid


class Planted:
    """One text of each form; `texts` are those that must be found nowhere."""

    def __init__(self, seed: int) -> None:
        draw = random.Random(seed)
        letters, digits = string.ascii_letters, string.digits

        def some(count: int, of: str = letters + digits) -> str:
            return "".join(draw.choices(of, k=count))

        def base64_of(count: int) -> str:
            return base64.b64encode(draw.randbytes(count)).decode().rstrip("=")

        def url64_of(count: int) -> str:
            return base64.urlsafe_b64encode(draw.randbytes(count)).decode().rstrip("=")

        self.user = "zq" + some(6, string.ascii_lowercase)
        self.host = "hx" + some(6, string.ascii_lowercase)
        octets = [draw.randint(20, 250) for _ in range(3)]
        self.ip = f"{draw.randint(11, 99)}.{octets[0]}.{octets[1]}.{octets[2]}"
        self.ipv6 = "2001:db8:" + ":".join(f"{draw.randint(0x1000, 0xFFFF):x}" for _ in range(6))
        secret = {
            "npm": "npm_" + some(36),
            "github": "ghp_" + some(36),
            "aws": "AKIA" + some(16, string.ascii_uppercase + digits),
            "aws_secret": base64_of(30),
            "jwt": f"eyJ{url64_of(20)}.eyJ{url64_of(40)}.{url64_of(32)}",
            "bearer": url64_of(24),
            "hex": draw.randbytes(20).hex(),
            "base64": base64_of(32),
            "auth": base64_of(15),
            "password": some(10),
            "url": some(12),
        }
        self.mail = f"{self.user}.x@{self.host}.example.org"
        self.uuid = str(uuid.UUID(bytes=draw.randbytes(16)))
        self.texts = (
            *(self.user, self.host, self.ip, self.ipv6, self.mail, self.uuid),
            *secret.values(),
        )
        self.log = "\n".join(
            (
                "npm ERR! code ELIFECYCLE at install",
                f"npm ERR! path /home/{self.user}/code/node_modules/thing",
                f"npm ERR! log C:\\Users\\{self.user}\\AppData\\npm-cache\\_logs",
                f"at file:///Users/{self.user}/code/index.js:10:5",
                f"//registry.{self.host}.example.com/:_authToken={secret['npm']}",
                f"_auth = {secret['auth']}",
                f"GITHUB_TOKEN={secret['github']}",
                f"aws {secret['aws']} {secret['aws_secret']}",
                f"authorization: Bearer {secret['bearer']}",
                f"sent Bearer {secret['bearer']} there",
                f"cookie is {secret['jwt']}",
                f"id {secret['hex']} and {secret['base64']}",
                f'{{"password": "{secret["password"]}"}}',
                f"fetch https://{self.user}:{secret['url']}@{self.host}.example.com:8443/a/-/a-1.0.0.tgz",
                f"getaddrinfo ENOTFOUND {self.host}.corp",
                f"connect ETIMEDOUT {self.ip}:443",
                f"connect ETIMEDOUT [{self.ipv6}]:443",
                f"author {self.mail}",
                f"machine {self.uuid}",
                f"git clone git@{self.host}:team/app.git",
            )
        )
