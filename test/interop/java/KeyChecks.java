import static io.etcd.jetcd.op.Cmp.Op.EQUAL;
import static io.etcd.jetcd.op.Cmp.Op.GREATER;
import static io.etcd.jetcd.op.Cmp.Op.LESS;
import static io.etcd.jetcd.op.Cmp.Op.NOT_EQUAL;

import io.etcd.jetcd.Client;
import io.etcd.jetcd.KV;
import io.etcd.jetcd.KeyValue;
import io.etcd.jetcd.op.Cmp;
import io.etcd.jetcd.op.CmpTarget;
import io.etcd.jetcd.op.Op;
import io.etcd.jetcd.options.DeleteOption;
import io.etcd.jetcd.options.GetOption;
import io.etcd.jetcd.options.GetOption.SortOrder;
import io.etcd.jetcd.options.GetOption.SortTarget;
import io.etcd.jetcd.options.PutOption;
import java.util.List;

final class KeyChecks {
  static void add() {
    Checks.check("put, get and delete with previous values", client -> {
      KV kv = client.getKVClient();
      long first = Checks.ok(kv.put(Checks.bytes("j/a"), Checks.bytes("one"))).getHeader().getRevision();
      var second = Checks.ok(kv.put(Checks.bytes("j/a"), Checks.bytes("two"), PutOption.builder().withPrevKV().build()));
      Checks.equal(second.getPrevKv().getValue().toString(), "one");
      KeyValue got = Checks.ok(kv.get(Checks.bytes("j/a"))).getKvs().get(0);
      Checks.equal(got.getValue().toString(), "two");
      Checks.equal(List.of(got.getCreateRevision(), got.getModRevision(), got.getVersion()), List.of(first, first + 1, 2L));
      var deleted = Checks.ok(kv.delete(Checks.bytes("j/a"), DeleteOption.builder().withPrevKV(true).build()));
      Checks.equal(deleted.getDeleted(), 1L);
      Checks.equal(deleted.getPrevKvs().get(0).getValue().toString(), "two");
      Checks.equal(Checks.ok(kv.get(Checks.bytes("j/a"))).getCount(), 0L);
    });
    Checks.check("ranges: prefix, order, limit, keys and count only", client -> {
      KV kv = client.getKVClient();
      for (int at = 0; at < 4; at++) Checks.ok(kv.put(Checks.bytes("j/range/" + at), Checks.bytes("" + (9 - at))));
      var prefix = GetOption.builder().isPrefix(true);
      Checks.equal(told(kv, prefix), "9 8 7 6");
      Checks.equal(told(kv, prefix.withSortField(SortTarget.KEY).withSortOrder(SortOrder.DESCEND)), "6 7 8 9");
      Checks.equal(told(kv, prefix.withSortField(SortTarget.VALUE).withSortOrder(SortOrder.ASCEND).withLimit(2)), "6 7");
      Checks.equal(told(kv, GetOption.builder().isPrefix(true).withKeysOnly(true)).strip(), "");
      Checks.equal(told(kv, GetOption.builder().withRange(Checks.bytes("j/range/2"))), "9 8");
      var some = Checks.ok(kv.get(Checks.bytes("j/range/"), GetOption.builder().isPrefix(true).withLimit(1).build()));
      Checks.equal(List.of(some.getCount(), some.isMore()), List.of(4L, true));
      var count = Checks.ok(kv.get(Checks.bytes("j/range/"), GetOption.builder().isPrefix(true).withCountOnly(true).build()));
      Checks.equal(List.of(count.getCount(), count.getKvs().size()), List.of(4L, 0));
      Checks.equal(Checks.ok(kv.delete(Checks.bytes("j/range/"), DeleteOption.builder().isPrefix(true).build())).getDeleted(), 4L);
    });
    Checks.check("earlier revisions, until they are compacted", client -> {
      try (Client one = Checks.connectToOne()) {
        KV kv = one.getKVClient();
        long old = Checks.ok(kv.put(Checks.bytes("j/old"), Checks.bytes("1"))).getHeader().getRevision();
        long now = Checks.ok(kv.put(Checks.bytes("j/old"), Checks.bytes("2"))).getHeader().getRevision();
        GetOption then = GetOption.builder().withRevision(old).build();
        Checks.equal(Checks.ok(kv.get(Checks.bytes("j/old"), then)).getKvs().get(0).getValue().toString(), "1");
        Checks.ok(kv.compact(now));
        Checks.fails(kv.get(Checks.bytes("j/old"), then), "required revision has been compacted");
        Checks.fails(kv.compact(now + 1000), "required revision is a future revision");
      }
    });
    Checks.check("transactions: either half, nested, all compare targets", client -> {
      KV kv = client.getKVClient();
      long revision = Checks.ok(kv.put(Checks.bytes("j/txn"), Checks.bytes("1"))).getHeader().getRevision();
      var key = Checks.bytes("j/txn");
      Op inner = Op.txn(
          new Cmp[] {new Cmp(key, NOT_EQUAL, CmpTarget.value(Checks.bytes("1")))},
          new Op[] {Op.put(Checks.bytes("j/then"), Checks.bytes("inner"), PutOption.DEFAULT)},
          new Op[] {Op.put(Checks.bytes("j/else"), Checks.bytes("inner"), PutOption.DEFAULT)});
      var answer = Checks.ok(kv.txn()
          .If(new Cmp(key, EQUAL, CmpTarget.value(Checks.bytes("1"))),
              new Cmp(key, LESS, CmpTarget.version(2)),
              new Cmp(key, EQUAL, CmpTarget.createRevision(revision)),
              new Cmp(key, GREATER, CmpTarget.modRevision(revision - 1)))
          .Then(inner, Op.get(key, GetOption.DEFAULT), Op.delete(key, DeleteOption.DEFAULT))
          .Else(Op.put(key, Checks.bytes("wrong"), PutOption.DEFAULT))
          .commit());
      Checks.equal(answer.isSucceeded(), true);
      Checks.equal(answer.getTxnResponses().get(0).isSucceeded(), false);
      Checks.equal(answer.getGetResponses().get(0).getKvs().get(0).getValue().toString(), "1");
      Checks.equal(answer.getDeleteResponses().get(0).getDeleted(), 1L);
      Checks.equal(Checks.ok(kv.get(Checks.bytes("j/else"))).getKvs().get(0).getModRevision(), answer.getHeader().getRevision());
      Op put = Op.put(key, key, PutOption.DEFAULT);
      Checks.fails(kv.txn().Then(put, put).commit(), "duplicate key given in txn request");
    });
    Checks.check("what is refused has etcd's error", client -> {
      KV kv = client.getKVClient();
      Checks.fails(kv.put(Checks.bytes(""), Checks.bytes("v")), "key is not provided");
      PutOption leased = PutOption.builder().withLeaseId(1234).build();
      Checks.fails(kv.put(Checks.bytes("j/none"), Checks.bytes("v"), leased), "requested lease not found");
      Checks.fails(kv.put(Checks.bytes("j/large"), Checks.bytes("x".repeat(1600 * 1024))), "request is too large");
    });
  }

  private static String told(KV kv, GetOption.Builder option) throws Exception {
    var kvs = Checks.ok(kv.get(Checks.bytes("j/range/"), option.build())).getKvs();
    return String.join(" ", kvs.stream().map(each -> each.getValue().toString()).toList());
  }

  private KeyChecks() {}
}
