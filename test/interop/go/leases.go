package main

import (
	"slices"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

var leaseChecks = []check{
	{name: "leases: grant, time to live with keys, keep alive once, list, revoke", run: func(s *stage) {
		granted := ok(s.Grant(s, 300))
		equal(granted.TTL, int64(300))
		ok(s.Put(s, "gl/a", "1", clientv3.WithLease(granted.ID)))
		ok(s.Put(s, "gl/b", "1", clientv3.WithLease(granted.ID)))
		left := ok(s.TimeToLive(s, granted.ID, clientv3.WithAttachedKeys()))
		equal(left.GrantedTTL, int64(300))
		equal(left.TTL > 250 && left.TTL <= 300, true)
		equal(len(left.Keys), 2)
		equal(ok(s.KeepAliveOnce(s, granted.ID)).TTL, int64(300))
		// Any member lists what it has applied, which may be less than another one has.
		eventually(s, func() bool {
			return slices.ContainsFunc(ok(s.Leases(s)).Leases, func(lease clientv3.LeaseStatus) bool { return lease.ID == granted.ID })
		})
		ok(s.Revoke(s, granted.ID))
		equal(ok(s.Get(s, "gl/", clientv3.WithPrefix())).Count, int64(0))
	}},
	{name: "leases that are not there", run: func(s *stage) {
		_, err := s.Revoke(s, 4242)
		fails(err, rpctypes.ErrLeaseNotFound)
		_, err = s.KeepAliveOnce(s, 4242)
		fails(err, rpctypes.ErrLeaseNotFound)
		equal(ok(s.TimeToLive(s, 4242)).TTL, int64(-1))
		_, err = s.Grant(s, 1<<40)
		fails(err, rpctypes.ErrLeaseTTLTooLarge)
		ended(s, ok(s.KeepAlive(s, 4242)))
	}},
	{name: "a lease that nobody keeps alive takes its keys with it, and watchers see that", run: func(s *stage) {
		channel := s.Watch(s, "gl/short", clientv3.WithPrevKV(), clientv3.WithCreatedNotify())
		next(s, channel)
		lease := ok(s.Grant(s, 2)).ID
		ok(s.Put(s, "gl/short", "v", clientv3.WithLease(lease)))
		equal(told(s, channel, 2), "PUT gl/short=v, DELETE gl/short= was v")
	}},
	{name: "a lease that is kept alive outlives its TTL, and ends when that stops", run: func(s *stage) {
		// Long enough for a process that the machine stops for a while.
		lease := ok(s.Grant(s, 5)).ID
		ok(s.Put(s, "gl/alive", "v", clientv3.WithLease(lease)))
		channel := ok(s.KeepAlive(s, lease))
		for started := time.Now(); time.Since(started) < 6*time.Second; {
			equal(next(s, channel).ID, lease)
		}
		equal(ok(s.Get(s, "gl/alive")).Count, int64(1))
		ok(s.Revoke(s, lease))
		ended(s, channel)
	}},
}
