// Package egresstest holds what tests need to show that a server is led nowhere: the shapes of URLs that lead inside, a counter of the connections that
// come, a name server that lies, and a network in which every address of the world is one of this machine.
package egresstest

import (
	"net/netip"
	"strconv"
	"strings"
)

// Zone is the domain of a NameServer; each name in it is listed in Names.
const Zone = "attack.example"

// Public is an address that is open to everybody, and where the name public of the zone leads.
var Public = netip.MustParseAddr("93.184.216.34")

// Names are the names of the zone and what they lead to, in each lookup the next of the lists.
var Names = map[string][][]netip.Addr{
	"public":    {{Public}},
	"loopback":  addresses("127.0.0.1"),
	"loopback6": addresses("::1"),
	"zero":      addresses("0.0.0.0"),
	"zero6":     addresses("::"),
	"private":   addresses("10.0.0.1"),
	"shared":    addresses("100.64.0.1"),
	"metadata":  addresses("169.254.169.254"),
	"metadata6": addresses("fd00:ec2::254"),
	"mapped":    addresses("::ffff:127.0.0.1"),
	"nat64":     addresses("64:ff9b::7f00:1"),
	"6to4":      addresses("2002:7f00:1::"),
	"all":       {{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("::1")}},
	// It is public when it is looked up first, and loopback ever after.
	"rebind": {{Public}, {netip.MustParseAddr("127.0.0.1")}},
	// It is both.
	"mixed": {{netip.MustParseAddr("127.0.0.1"), Public, netip.MustParseAddr("169.254.169.254")}},
}

func addresses(text string) [][]netip.Addr { return [][]netip.Addr{{netip.MustParseAddr(text)}} }

// Shape is a URL that must lead nowhere.
type Shape struct{ Name, URL string }

// Shapes returns the table. port is what a Trap listens on.
func Shapes(port int) []Shape {
	var out []Shape
	add := func(name string, urls ...string) {
		for _, u := range urls {
			out = append(out, Shape{name + ": " + strconv.Quote(u), strings.ReplaceAll(u, "PORT", strconv.Itoa(port))})
		}
	}
	hosts := func(name string, hosts ...string) {
		for _, h := range hosts {
			add(name, "http://"+h+":PORT/latest/meta-data/")
		}
	}
	hosts("loopback", "127.0.0.1", "127.0.0.2", "127.255.255.254", "localhost", "LOCALHOST", "localhost.", "films.localhost", "localhost.localdomain")
	hosts("this network", "0.0.0.0", "0.1.2.3")
	hosts("decimal", "2130706433", "2852039166", "0", "1")
	hosts("octal", "0177.0.0.1", "0177.0.0.01", "017700000001", "0251.0376.0251.0376", "00000177.1")
	hosts("hexadecimal", "0x7f.0.0.1", "0x7f000001", "0X7F.0X0.0X0.0X1", "0xa9fea9fe", "0x7f.1")
	hosts("short", "127.1", "127.0.1", "10.1", "169.254.43518")
	hosts("mixed", "0x7f.0.0.01", "127.0x0.0.1", "0177.0x0.1", "127.0.0.0x1")
	hosts("padded", "127.000.000.001", "0127.0.0.1", "127.0.0.1.", "127.0.0.1..")
	hosts("overflown", "383.0.0.1", "127.0.0.257", "4294967297", "6442450945", "1.2.3.4.5")
	hosts("IPv6 loopback", "[::1]", "[0:0:0:0:0:0:0:1]", "[0000::0001]", "[::]", "[::0.0.0.1]")
	hosts("IPv6 mapped", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]", "[::FFFF:169.254.169.254]", "[::ffff:a9fe:a9fe]")
	hosts("IPv6 compatible", "[::127.0.0.1]", "[::7f00:1]", "[::169.254.169.254]")
	hosts("IPv6 translated", "[::ffff:0:127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b::127.0.0.1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::7f00:1]")
	hosts("IPv6 tunnelled", "[2002:7f00:1::]", "[2002:a9fe:a9fe::1]", "[2001:0:7f00:1::1]", "[2001:0:53aa:64c:0:0:80ff:fffe]")
	hosts("IPv6 of sites and links", "[fc00::1]", "[fd00:ec2::254]", "[fe80::1]", "[fec0::1]", "[ff02::1]", "[ff05::1:3]")
	hosts("IPv6 zone", "[fe80::1%25lo]", "[fe80::1%lo]", "[::1%25lo]", "[::1%251]", "[fe80::1%25eth0%250a]")
	hosts("brackets", "[127.0.0.1]", "[localhost]", "[::1", "::1", "[[::1]]", "[::1].example", "[v1.127.0.0.1]", "[]")
	hosts("private", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1")
	hosts("metadata", "169.254.169.254", "169.254.170.2", "100.100.100.200", "192.0.0.192", "metadata.google.internal")
	hosts("carriers' shared space", "100.64.0.1", "100.127.255.254")
	hosts("special", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "192.88.99.1", "224.0.0.1", "240.0.0.1", "255.255.255.255")
	for name, sets := range Names {
		if len(sets) == 1 && name != "public" && name != "mixed" {
			hosts("name", name+"."+Zone)
		}
	}
	add("user information", "http://public."+Zone+"@127.0.0.1:PORT/", "http://public."+Zone+":80@127.0.0.1:PORT/", "http://@127.0.0.1:PORT/", "http://a:b@c@127.0.0.1:PORT/", "http://public."+Zone+"%40127.0.0.1:PORT/")
	add("fragment", "http://127.0.0.1:PORT#@public."+Zone+"/", "http://127.0.0.1:PORT/#@public."+Zone+"/")
	add("backslash", `http://127.0.0.1:PORT\@public.`+Zone+`/`, `http://public.`+Zone+`\@127.0.0.1:PORT/`, `http:\\127.0.0.1:PORT\`, `http:/\127.0.0.1:PORT/`, `http://public.`+Zone+`\.127.0.0.1:PORT/`)
	add("slashes", "//127.0.0.1:PORT/", "///127.0.0.1:PORT/", "http:/127.0.0.1:PORT/", "http:127.0.0.1:PORT/", "http:///127.0.0.1:PORT/", "http:////127.0.0.1:PORT/", "127.0.0.1:PORT", "http:?//127.0.0.1:PORT/")
	add("control characters", "http://127.0.0.1:PORT\r\nHost: public."+Zone+"/", "http://public."+Zone+"\r\n@127.0.0.1:PORT/", "http://127.0.0.1\t:PORT/", "ht\ttp://127.0.0.1:PORT/", "\thttp://127.0.0.1:PORT/",
		" http://127.0.0.1:PORT/", "http:// 127.0.0.1:PORT/", "http://127.0.0.1 :PORT/", "http://127.0.0.1\x00.public."+Zone+":PORT/", "http://127.0.0.1%00.public."+Zone+":PORT/", "http://127.0.0.1%0d%0a:PORT/",
		"http://127.0.0.1:PORT/%0d%0aX-Injected:%20y", "http://127.0.0.1:PORT/\r\nX-Injected: y")
	add("ports", "http://127.0.0.1:PORT:80/", "http://127.0.0.1:0PORT/", "http://127.0.0.1:+PORT/", "http://127.0.0.1:PORT%20/", "http://127.0.0.1: PORT/")
	hosts("percent-encoded", "%31%32%37.0.0.1", "127%2e0%2e0%2e1", "%6c%6f%63%61%6c%68%6f%73%74", "%5b::1%5d")
	hosts("full width", "１２７.０.０.１", "127．0．0．1", "ｌｏｃａｌｈｏｓｔ", "：：１")
	hosts("other dots", "127。0。0。1", "127｡0｡0｡1", "169。254。169。254")
	hosts("enclosed", "①②⑦.⓪.⓪.①", "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ", "①⑥⑨.②⑤④.①⑥⑨.②⑤④", "⑯⑨｡②⑤④｡⑯⑨｡②⑤④")
	hosts("invisible", "local\u00adhost", "local\u200bhost", "127.0.0.1\u2060", "\u202e1.0.0.721")
	add("scheme in capitals", "HTTP://127.0.0.1:PORT/", "hTtP://127.0.0.1:PORT/", "HTTPS://127.0.0.1:PORT/", "https://127.0.0.1:PORT/", "https://localhost:PORT/")
	add("another scheme", "file:///etc/passwd", "file://127.0.0.1:PORT/etc/passwd", "FILE:///etc/passwd", "gopher://127.0.0.1:PORT/_GET%20/", "ftp://127.0.0.1:PORT/x", "sftp://127.0.0.1:PORT/x",
		"tftp://127.0.0.1:PORT/x", "dict://127.0.0.1:PORT/x", "ldap://127.0.0.1:PORT/x", "rtmp://127.0.0.1:PORT/x", "rtsp://127.0.0.1:PORT/x", "tcp://127.0.0.1:PORT", "udp://127.0.0.1:PORT", "tls://127.0.0.1:PORT",
		"unix:///run/x.sock", "unix:/run/x.sock", "ws://127.0.0.1:PORT/", "jar:http://127.0.0.1:PORT/x!/y", "netdoc:///etc/passwd", "javascript:1")
	add("ffmpeg's", "concat:http://127.0.0.1:PORT/a|http://127.0.0.1:PORT/b", "concatf:http://127.0.0.1:PORT/list", "data:video/mp4;base64,AAAA", "subfile:,,start,0,end,9,,:http://127.0.0.1:PORT/x", "pipe:0", "fd:0",
		"crypto:http://127.0.0.1:PORT/x", "async:http://127.0.0.1:PORT/x", "cache:http://127.0.0.1:PORT/x", "hls+http://127.0.0.1:PORT/x.m3u8", "httpproxy://127.0.0.1:PORT", "icecast://127.0.0.1:PORT/x", "srt://127.0.0.1:PORT")
	add("object store's", "s3://127.0.0.1:PORT/latest/meta-data", "s3://@127.0.0.1:PORT/x", "s3://169.254.169.254/latest/meta-data", "s3:///127.0.0.1:PORT/x", "s3:127.0.0.1:PORT/x", "S3://127.0.0.1:PORT/x")
	return out
}
