import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { backendUrlProblem, belowWebhookUrl, webhookUrlProblem } from "../../../src/protocol/webhooks/url.ts";

describe("a webhook URL that may be called", () => {
  test.for([
    "https://cluster.example.com/slipway",
    "https://cluster.example.com:8443/a/b?c=d",
    "https://EU.Example.COM",
    "https://cluster.example.com./",
    "https://xn--bcher-kva.example/",
    "https://bücher.example/",
    "https://localhost.example.com/",
    "https://internal.example.com/",
    "https://my-local.example.com/",
    "https://127.0.0.1.example.com/",
  ])("%s", (url) => {
    expect(webhookUrlProblem(url, false)).toBeNull();
  });
});

describe("a public address, which Workers cannot call", () => {
  test.for([
    "https://8.8.8.8/",
    "https://1.1/",
    "https://172.15.255.255/",
    "https://172.32.0.1/",
    "https://192.167.255.255/",
    "https://11.0.0.1/",
    "https://9.255.255.255/",
    "https://128.0.0.1/",
    "https://126.255.255.255/",
    "https://100.63.255.255/",
    "https://100.128.0.1/",
    "https://169.253.0.1/",
    "https://223.255.255.255/",
    "https://[2606:4700::1111]/",
    "https://[::ffff:8.8.8.8]/",
  ])("%s", (url) => {
    expect(webhookUrlProblem(url, false)).toContain("is an address without a name");
    expect(webhookUrlProblem(url, true)).toBeNull();
  });
});

describe("a webhook URL that must not be called", () => {
  const loopback = [
    "https://localhost/",
    "https://LOCALHOST/",
    "https://localhost./",
    "https://localhost../",
    "https://%6c%6fcalhost/",
    "https://ⓛocalhost/",
    "https://a.localhost/",
    "https://a.localhost./",
    "https://127.0.0.1/",
    "https://127.0.0.1:8787/",
    "https://127.0.0.1./",
    "https://127.0.0.1../",
    "https://127.1/",
    "https://127.0.1/",
    "https://127.255.255.254/",
    "https://0x7f.1/",
    "https://0x7f000001/",
    "https://0X7F.0x0.0x0.0x1/",
    "https://0177.0.0.1/",
    "https://017700000001/",
    "https://2130706433/",
    "https://127%2e0%2e0%2e1/",
    "https://①②⑦.⓪.⓪.①/",
    "https://127。0。0。1/",
    "https://１２７.0.0.1/",
    "https:\\\\127.0.0.1\\",
    "https:127.0.0.1",
    "https:///127.0.0.1/",
    "https://\t127.0.0.1/",
    "  https://127.0.0.1/  ",
    "https://127.\n0.0.1/",
    "https://[::1]/",
    "https://[0:0:0:0:0:0:0:1]/",
    "https://[0000::0001]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::127.0.0.1]/",
    "https://[::ffff:0:127.0.0.1]/",
    "https://[64:ff9b::127.0.0.1]/",
    "https://[64:ff9b:1::127.0.0.1]/",
    "https://[2002:7f00:1::]/",
    "https://[2001::1]/",
  ];
  const unspecified = [
    "https://0/",
    "https://0.0.0.0/",
    "https://0.1.2.3/",
    "https://[::]/",
    "https://[::ffff:0.0.0.0]/",
  ];
  const privateNetworks = [
    "https://10.0.0.1/",
    "https://10.255.255.255/",
    "https://167772161/",
    "https://0xa.1/",
    "https://172.16.0.1/",
    "https://172.31.255.255/",
    "https://192.168.0.1/",
    "https://192.168.257/",
    "https://100.64.0.1/",
    "https://100.127.255.255/",
    "https://[fc00::1]/",
    "https://[fd12:3456::1]/",
    "https://[fec0::1]/",
    "https://[::ffff:10.0.0.1]/",
    "https://[::10.0.0.1]/",
    "https://[::c0a8:1]/",
    "https://[::2]/",
    "https://[4000::1]/",
  ];
  const linkLocal = [
    "https://169.254.0.1/",
    "https://[fe80::1]/",
    "https://[febf::1]/",
    "https://[ff02::1]/",
    "https://224.0.0.1/",
  ];
  const metadata = [
    "https://169.254.169.254/latest/meta-data/",
    "https://2852039166/",
    "https://0xa9fea9fe/",
    "https://[::ffff:a9fe:a9fe]/",
    "https://[::a9fe:a9fe]/",
    "https://[::169.254.169.254]/",
    "https://[64:ff9b::a9fe:a9fe]/",
    "https://[fd00:ec2::254]/",
    "https://100.100.100.200/",
    "https://168.63.129.16/",
    "https://[::ffff:168.63.129.16]/",
    "https://metadata.google.internal/",
    "https://metadata/",
  ];
  const reservedNetworks = [
    "https://192.0.0.1/",
    "https://192.0.2.1/",
    "https://198.18.0.1/",
    "https://198.51.100.1/",
    "https://203.0.113.1/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
    "https://[2001:db8::1]/",
    "https://[100::1]/",
  ];
  const localNames = [
    "https://intranet/",
    "https://kubernetes/",
    "https://printer.local/",
    "https://a.b.internal/",
    "https://router.lan/",
    "https://nas.home.arpa/",
    "https://nas.home.arpa./",
    "https://PRINTER.LOCAL/",
    "https://.localhost/",
  ];
  const groups = {
    loopback,
    unspecified,
    privateNetworks,
    linkLocal,
    metadata,
    reservedNetworks,
    localNames,
  };

  for (const [group, urls] of Object.entries(groups)) {
    test.for(urls)(`%j is seen for what it is (${group})`, (url) => {
      expect(webhookUrlProblem(url, false)).toContain(
        "is a private, loopback, link-local or metadata address",
      );
    });
  }

  const malformed: [url: string, problem: string][] = [
    ["", "is not a URL"],
    ["cluster.example.com", "is not a URL"],
    ["//cluster.example.com/", "is not a URL"],
    ["https://", "is not a URL"],
    ["https://256.1.1.1/", "is not a URL"],
    ["https://1.2.3.4.5/", "is not a URL"],
    ["https://[::1/", "is not a URL"],
    ["https://[fe80::1%25eth0]/", "is not a URL"],
    ["https://exa mple.com/", "is not a URL"],
    ["https://example.com%00.x/", "is not a URL"],
    ["https://example.com:99999/", "is not a URL"],
    ["http://cluster.example.com/", "must begin with https://"],
    ["HTTP://cluster.example.com/", "must begin with https://"],
    ["ftp://cluster.example.com/", "must begin with https://"],
    ["file:///etc/passwd", "must begin with https://"],
    ["data:text/plain,x", "must begin with https://"],
    ["javascript:alert(1)", "must begin with https://"],
    ["wss://cluster.example.com/", "must begin with https://"],
    ["localhost:8787", "must begin with https://"],
    ["https://user@cluster.example.com/", "must not carry credentials"],
    ["https://:secret@cluster.example.com/", "must not carry credentials"],
    ["https://cluster.example.com@127.0.0.1/", "must not carry credentials"],
    ["https://cluster.example.com/#top", "must not have a fragment"],
  ];
  test.for(malformed)("%j %s", ([url, problem]) => {
    expect(webhookUrlProblem(url, false)).toContain(problem);
  });
});

describe("with private clusters allowed", () => {
  test.for([
    "http://localhost:9000/",
    "http://127.0.0.1:9000/hook",
    "https://10.0.0.1/",
    "http://[::1]:9000/",
    "http://agent/",
    "http://cluster.example.com/",
  ])("%s may be called", (url) => {
    expect(webhookUrlProblem(url, true)).toBeNull();
  });

  test.for([
    "ftp://localhost/",
    "file:///etc/passwd",
    "http://user:pw@localhost/",
    "http://localhost/#x",
    "nonsense",
  ])("%s may still not", (url) => {
    expect(webhookUrlProblem(url, true)).not.toBeNull();
  });
});

describe("any address of a private network", () => {
  const byte = fc.nat(255);
  const privateIpv4 = fc.oneof(
    fc.tuple(fc.constantFrom(0, 10, 127), byte, byte, byte),
    fc.tuple(fc.constant(172), fc.integer({ min: 16, max: 31 }), byte, byte),
    fc.tuple(fc.constant(192), fc.constant(168), byte, byte),
    fc.tuple(fc.constant(169), fc.constant(254), byte, byte),
    fc.tuple(fc.constant(100), fc.integer({ min: 64, max: 127 }), byte, byte),
    fc.tuple(fc.integer({ min: 224, max: 255 }), byte, byte, byte),
  );

  test("is seen however it is written", () => {
    fc.assert(
      fc.property(privateIpv4, ([a, b, c, d]) => {
        const number = ((a * 256 + b) * 256 + c) * 256 + d;
        const hex = (high: number, low: number) => (high * 256 + low).toString(16);
        const forms = [
          `${a}.${b}.${c}.${d}`,
          `${a}.${b}.${c * 256 + d}`,
          `${a}.${(b * 256 + c) * 256 + d}`,
          String(number),
          `0x${number.toString(16)}`,
          `0${number.toString(8)}`,
          `0${a.toString(8)}.0x${b.toString(16)}.${c}.${d}`,
          `${a}.${b}.${c}.${d}.`,
          `[::ffff:${a}.${b}.${c}.${d}]`,
          `[::ffff:${hex(a, b)}:${hex(c, d)}]`,
          `[::${a}.${b}.${c}.${d}]`,
          `[64:ff9b::${hex(a, b)}:${hex(c, d)}]`,
          `[2002:${hex(a, b)}:${hex(c, d)}::1]`,
        ];
        for (const host of forms) expect(webhookUrlProblem(`https://${host}/`, false), host).not.toBeNull();
      }),
    );
  });
});

describe("the longest URL that fits", () => {
  const label = "a".repeat(63);
  const host = `${label}.${label}.${label}.${label.slice(2)}`;

  test.for([
    ["2,000 bytes", `https://eu.example.com/${"x".repeat(1977)}`, null],
    [
      "2,001 bytes",
      `https://eu.example.com/${"x".repeat(1978)}`,
      "at most 2000 bytes; encoded, this one has 2001",
    ],
    ["a host of 253 bytes", `https://${host}/`, null],
    ["a host of 254 bytes", `https://${host}a/`, "at most 253"],
    ["a host of 253 bytes with labels of 64", `https://a${label}.${host.slice(0, 188)}/`, "at most 63"],
  ] as const)("of a webhook: %s", ([, url, problem]) => {
    if (problem === null) expect(webhookUrlProblem(url, false)).toBeNull();
    else expect(webhookUrlProblem(url, false)).toContain(problem);
  });

  test.for([
    ["2,000 bytes", `https://eu.example.com/${"x".repeat(1977)}`, null],
    ["2,001 bytes", `https://eu.example.com/${"x".repeat(1978)}`, "it has more than 2000 bytes"],
    ["a host of 253 bytes", `http://${host}`, null],
    ["a host of 254 bytes", `http://${host}a`, "at most 253"],
  ] as const)("of a backend: %s", ([, url, problem]) => {
    if (problem === null) expect(backendUrlProblem(url)).toBeNull();
    else expect(backendUrlProblem(url)).toContain(problem);
  });
});

describe("the URL of a backend", () => {
  test.for([
    ["", "is not an http or https URL"],
    ["eu.example.com", "is not an http or https URL"],
    ["xhttp://eu.example.com", "is not an http or https URL"],
    ["httpsx://eu.example.com", "is not an http or https URL"],
    ["https://ada@eu.example.com", "carries credentials"],
    ["https://:secret@eu.example.com", "carries credentials"],
    ["https://ada:secret@eu.example.com", "carries credentials"],
  ] as const)("is not %j, which %s", ([url, problem]) => {
    expect(backendUrlProblem(url)).toContain(problem);
  });
});

test("what is no URL is quoted up to 200 characters", () => {
  expect(webhookUrlProblem("x".repeat(201), false)).toBe(`\`${"x".repeat(200)}\` is not a URL`);
});

test("any text is judged without a failure, and briefly", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ maxLength: 3000 }), fc.webUrl()), fc.boolean(), (text, allowPrivate) => {
      const problem = webhookUrlProblem(text, allowPrivate);
      if (problem !== null) expect(problem.length).toBeLessThan(400);
    }),
  );
});

describe("what is below a webhook's URL", () => {
  test.for([
    ["https://cluster.example.com", "https://cluster.example.com/backends/x/logs"],
    ["https://cluster.example.com/", "https://cluster.example.com/backends/x/logs"],
    ["https://cluster.example.com/hook", "https://cluster.example.com/hook/backends/x/logs"],
    ["https://cluster.example.com/a/hook//", "https://cluster.example.com/a/hook/backends/x/logs"],
    [
      "https://cluster.example.com:8443/hook?to=eu",
      "https://cluster.example.com:8443/hook/backends/x/logs?to=eu",
    ],
    ["https://cluster.example.com/hook/?to=/a/", "https://cluster.example.com/hook/backends/x/logs?to=/a/"],
  ])("%s: %s", ([webhookUrl = "", below]) => {
    expect(belowWebhookUrl(webhookUrl, "/backends/x/logs")).toBe(below);
  });
});
