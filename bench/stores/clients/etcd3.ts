/** The election of npm's etcd3, as its documentation shows it. */
import { Etcd3 } from 'etcd3';
import type { OpenClient } from '../client.ts';

export const etcd3: OpenClient = async ({ url }, holder) => {
  const client = new Etcd3({ hosts: url.split(',') });
  return {
    async campaign(name, ttlMs) {
      const campaign = client.election(name, Math.ceil(ttlMs / 1000)).campaign(holder);
      await campaign.wait();
      // A session that is lost later is of no interest here; without a listener it would end the process.
      campaign.on('error', () => {});
      return { resign: () => campaign.resign() };
    },
    async [Symbol.asyncDispose]() {
      client.close();
    },
  };
};
