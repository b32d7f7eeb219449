package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

// tlsConfig trusts the authority in the folder, and shows the certificate of that name; none where it is empty.
func tlsConfig(folder, name string) *tls.Config {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ok(os.ReadFile(filepath.Join(folder, "authority.pem"))))
	config := &tls.Config{RootCAs: pool}
	if name != "" {
		path := filepath.Join(folder, name)
		config.Certificates = []tls.Certificate{ok(tls.LoadX509KeyPair(path+".pem", path+"-key.pem"))}
	}
	return config
}

func tlsChecks(folder string) []check {
	return []check{
		{name: "keys, a watch, a lease and a lock", tls: tlsConfig(folder, "app"), run: func(s *stage) {
			start := ok(s.Put(s, "gt/a", "1")).Header.Revision
			equal(string(ok(s.Get(s, "gt/a")).Kvs[0].Value), "1")
			equal(told(s, s.Watch(s, "gt/a", clientv3.WithRev(start)), 1), "PUT gt/a=1")
			lease := ok(s.Grant(s, 60)).ID
			ok(s.Put(s, "gt/leased", "v", clientv3.WithLease(lease)))
			equal(next(s, ok(s.KeepAlive(s, lease))).TTL, int64(60))
			ok(s.Revoke(s, lease))
			equal(ok(s.Get(s, "gt/leased")).Count, int64(0))
			session := ok(concurrency.NewSession(s.Client))
			defer session.Close()
			lock := concurrency.NewMutex(session, "gt/lock")
			must(lock.Lock(s))
			must(lock.Unlock(s))
		}},
		{name: "who shows no certificate, a foreign or a revoked one is refused", tls: tlsConfig(folder, "app"), run: func(s *stage) {
			foreign := tlsConfig(folder, "app")
			foreign.RootCAs = x509.NewCertPool()
			for _, config := range []*tls.Config{tlsConfig(folder, ""), tlsConfig(folder, "stranger"), tlsConfig(folder, "revoked"), foreign} {
				refused(s, config)
			}
		}},
		{name: "a user is who its certificate says", tls: tlsConfig(folder, "root"), run: func(s *stage) {
			ok(s.UserAddWithOptions(s, "root", "", &clientv3.UserAddOptions{NoPassword: true}))
			ok(s.UserAddWithOptions(s, "app", "", &clientv3.UserAddOptions{NoPassword: true}))
			ok(s.RoleAdd(s, "hers"))
			both := clientv3.PermissionType(clientv3.PermReadWrite)
			ok(s.RoleGrantPermission(s, "hers", "gt/", clientv3.GetPrefixRangeEnd("gt/"), both))
			ok(s.UserGrantRole(s, "app", "hers"))
			ok(s.UserGrantRole(s, "root", "root"))
			ok(s.AuthEnable(s))
			defer func() { ok(s.AuthDisable(s)) }()
			app := connect(clientv3.Config{Endpoints: s.endpoints, TLS: tlsConfig(folder, "app")})
			defer app.Close()
			ok(app.Put(s, "gt/a", "hers"))
			_, err := app.Put(s, "other", "x")
			fails(err, rpctypes.ErrPermissionDenied)
			equal(ok(s.Get(s, "gt/a")).Count, int64(1))
		}},
	}
}

// refused asserts that a client with this gets no answer.
func refused(s *stage, config *tls.Config) {
	client := connect(clientv3.Config{Endpoints: s.endpoints, TLS: config})
	defer client.Close()
	ctx, cancel := context.WithTimeout(s, time.Second)
	defer cancel()
	if _, err := client.Get(ctx, "gt/a"); err == nil {
		panic("it was answered")
	}
}
