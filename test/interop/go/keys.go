package main

import (
	"fmt"
	"strings"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

var keyChecks = []check{
	{name: "put, get and delete with previous values", run: func(s *stage) {
		first := ok(s.Put(s, "go/a", "one"))
		second := ok(s.Put(s, "go/a", "two", clientv3.WithPrevKV()))
		equal(second.Header.Revision, first.Header.Revision+1)
		equal(string(second.PrevKv.Value), "one")
		got := ok(s.Get(s, "go/a"))
		equal(got.Kvs[0].CreateRevision, first.Header.Revision)
		equal(got.Kvs[0].ModRevision, second.Header.Revision)
		equal(got.Kvs[0].Version, int64(2))
		deleted := ok(s.Delete(s, "go/a", clientv3.WithPrevKV()))
		equal(deleted.Deleted, int64(1))
		equal(string(deleted.PrevKvs[0].Value), "two")
		equal(ok(s.Get(s, "go/a")).Count, int64(0))
	}},
	{name: "ranges: prefix, from a key, order, limit, keys and count only", run: func(s *stage) {
		for at := 1; at <= 5; at++ {
			ok(s.Put(s, fmt.Sprint("go/range/", at), fmt.Sprint(9-at)))
		}
		ok(s.Put(s, "go/range/2", "7"))
		prefix := clientv3.WithPrefix()
		get := func(key string, options ...clientv3.OpOption) string {
			var keys []string
			for _, kv := range ok(s.Get(s, key, options...)).Kvs {
				keys = append(keys, strings.TrimPrefix(string(kv.Key), "go/range/")+"="+string(kv.Value))
			}
			return strings.Join(keys, " ")
		}
		equal(get("go/range/", prefix), "1=8 2=7 3=6 4=5 5=4")
		equal(get("go/range/2", clientv3.WithRange("go/range/4")), "2=7 3=6")
		equal(get("go/range/4", clientv3.WithFromKey(), clientv3.WithLimit(2)), "4=5 5=4")
		equal(get("go/range/", prefix, clientv3.WithSort(clientv3.SortByKey, clientv3.SortDescend)), "5=4 4=5 3=6 2=7 1=8")
		equal(get("go/range/", prefix, clientv3.WithSort(clientv3.SortByValue, clientv3.SortAscend), clientv3.WithLimit(2)), "5=4 4=5")
		equal(get("go/range/", clientv3.WithLastRev()...), "2=7")
		equal(get("go/range/", clientv3.WithFirstCreate()...), "1=8")
		equal(get("go/range/", clientv3.WithLastKey()...), "5=4")
		equal(get("go/range/", prefix, clientv3.WithKeysOnly(), clientv3.WithLimit(1)), "1=")
		equal(get("go/range/3", prefix, clientv3.WithSerializable()), "3=6")
		count := ok(s.Get(s, "go/range/", prefix, clientv3.WithCountOnly()))
		equal(count.Count, int64(5))
		equal(len(count.Kvs), 0)
		some := ok(s.Get(s, "go/range/", prefix, clientv3.WithLimit(2)))
		equal(some.More, true)
		equal(some.Count, int64(5))
		last := ok(s.Get(s, "go/range/2")).Kvs[0].ModRevision
		equal(get("go/range/", prefix, clientv3.WithMinModRev(last)), "2=7")
		equal(get("go/range/", prefix, clientv3.WithMaxCreateRev(last-5)), "1=8")
		equal(ok(s.Delete(s, "go/range/", prefix)).Deleted, int64(5))
	}},
	{name: "earlier revisions, until they are compacted", run: func(s *stage) {
		one := connectToOne(s)
		defer one.Close()
		old := ok(one.Put(s, "go/old", "1")).Header.Revision
		now := ok(one.Put(s, "go/old", "2")).Header.Revision
		equal(string(ok(one.Get(s, "go/old", clientv3.WithRev(old))).Kvs[0].Value), "1")
		ok(one.Compact(s, now, clientv3.WithCompactPhysical()))
		_, err := one.Get(s, "go/old", clientv3.WithRev(old))
		fails(err, rpctypes.ErrCompacted)
		_, err = one.Compact(s, now)
		fails(err, rpctypes.ErrCompacted)
		_, err = one.Get(s, "go/old", clientv3.WithRev(now+1000))
		fails(err, rpctypes.ErrFutureRev)
		equal(string(ok(one.Get(s, "go/old")).Kvs[0].Value), "2")
	}},
	{name: "puts that keep the value or the lease", run: func(s *stage) {
		lease := ok(s.Grant(s, 300)).ID
		ok(s.Put(s, "go/kept", "v", clientv3.WithLease(lease)))
		ok(s.Put(s, "go/kept", "w", clientv3.WithIgnoreLease()))
		ok(s.Put(s, "go/kept", "", clientv3.WithIgnoreValue(), clientv3.WithLease(lease)))
		kv := ok(s.Get(s, "go/kept")).Kvs[0]
		equal(string(kv.Value), "w")
		equal(clientv3.LeaseID(kv.Lease), lease)
		ok(s.Revoke(s, lease))
	}},
	{name: "what is refused has etcd's error", run: func(s *stage) {
		_, err := s.Put(s, "", "v")
		fails(err, rpctypes.ErrEmptyKey)
		_, err = s.Put(s, "go/none", "", clientv3.WithIgnoreValue())
		fails(err, rpctypes.ErrKeyNotFound)
		_, err = s.Put(s, "go/none", "v", clientv3.WithLease(1234))
		fails(err, rpctypes.ErrLeaseNotFound)
		_, err = s.Put(s, "go/large", strings.Repeat("x", 1600*1024))
		fails(err, rpctypes.ErrRequestTooLarge)
		put := clientv3.OpPut("go/twice", "v")
		_, err = s.Txn(s).Then(put, put).Commit()
		fails(err, rpctypes.ErrDuplicateKey)
		var many []clientv3.Op
		for at := range 129 {
			many = append(many, clientv3.OpPut(fmt.Sprint("go/many/", at), "v"))
		}
		_, err = s.Txn(s).Then(many...).Commit()
		fails(err, rpctypes.ErrTooManyOps)
		ok(s.Txn(s).Then(many[:128]...).Commit())
	}},
}

var transactionChecks = []check{
	{name: "transactions compare all targets, and ranges", run: func(s *stage) {
		lease := ok(s.Grant(s, 300)).ID
		revision := ok(s.Put(s, "go/txn/a", "v", clientv3.WithLease(lease))).Header.Revision
		ok(s.Put(s, "go/txn/b", "v"))
		holds := func(compares ...clientv3.Cmp) bool {
			return ok(s.Txn(s).If(compares...).Commit()).Succeeded
		}
		equal(holds(), true)
		equal(holds(
			clientv3.Compare(clientv3.Value("go/txn/a"), "=", "v"),
			clientv3.Compare(clientv3.Version("go/txn/a"), "<", 2),
			clientv3.Compare(clientv3.CreateRevision("go/txn/a"), "=", revision),
			clientv3.Compare(clientv3.ModRevision("go/txn/a"), ">", revision-1),
			clientv3.Compare(clientv3.LeaseValue("go/txn/a"), "=", lease),
			clientv3.Compare(clientv3.CreateRevision("go/txn/none"), "=", 0),
		), true)
		equal(holds(clientv3.Compare(clientv3.Value("go/txn/a"), "!=", "v")), false)
		equal(holds(clientv3.Compare(clientv3.Value("go/txn/none"), "=", "v")), false)
		equal(holds(clientv3.Compare(clientv3.Value("go/txn/"), "=", "v").WithPrefix()), true)
		equal(holds(clientv3.Compare(clientv3.LeaseValue("go/txn/"), "=", lease).WithPrefix()), false)
		ok(s.Revoke(s, lease))
	}},
	{name: "transactions do either half, nested ones too, at one revision", run: func(s *stage) {
		ok(s.Put(s, "go/nested/a", "1"))
		inner := clientv3.OpTxn(
			[]clientv3.Cmp{clientv3.Compare(clientv3.Value("go/nested/a"), "=", "1")},
			[]clientv3.Op{clientv3.OpPut("go/nested/inner", "then"), clientv3.OpGet("go/nested/a")},
			[]clientv3.Op{clientv3.OpPut("go/nested/inner", "else")},
		)
		got := ok(s.Txn(s).
			If(clientv3.Compare(clientv3.Version("go/nested/none"), ">", 0)).
			Then(clientv3.OpDelete("go/nested/a")).
			Else(inner, clientv3.OpPut("go/nested/outer", "else"), clientv3.OpDelete("go/nested/a", clientv3.WithPrevKV())).
			Commit())
		equal(got.Succeeded, false)
		answer := got.Responses[0].GetResponseTxn()
		equal(answer.Succeeded, true)
		equal(string(answer.Responses[1].GetResponseRange().Kvs[0].Value), "1")
		equal(string(got.Responses[2].GetResponseDeleteRange().PrevKvs[0].Value), "1")
		for _, key := range []string{"go/nested/inner", "go/nested/outer"} {
			equal(ok(s.Get(s, key)).Kvs[0].ModRevision, got.Header.Revision)
		}
	}},
}
