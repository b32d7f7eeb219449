import type { ConclaveClient } from '../../client/index.ts';
import { ConclaveError } from '../../errors/index.ts';
import type { Process } from '../world/process.ts';
import type { ElectionReports } from './reports.ts';

/**
 * Reports what this client asks of leases and what it is told: grants and renewals with the time before they were
 * sent, leases that are said not to be there, and what they are bound to.
 */
export function watchLeases(client: ConclaveClient, process: Process, reports: ElectionReports): void {
  const grant = client.leaseGrant.bind(client);
  client.leaseGrant = async (ttlMs, options) => {
    const sent = reports.reading(process);
    const granted = await grant(ttlMs, options);
    reports.counts.leasesGranted += 1;
    reports.counted(process, sent);
    reports.tell('leaseAcknowledged', granted.lease, granted.ttlMs, sent.atUs);
    return granted;
  };
  const renew = client.renewLease.bind(client);
  client.renewLease = async (lease, options) => {
    reports.tell('leaseRenewing', lease);
    const sent = reports.reading(process);
    const ttlMs = await renew(lease, options);
    if (ttlMs > 0) {
      reports.counted(process, sent);
      reports.tell('leaseAcknowledged', lease, ttlMs, sent.atUs);
    } else reports.tell('leaseMissing', lease);
    return ttlMs;
  };
  const revoke = client.leaseRevoke.bind(client);
  client.leaseRevoke = async (lease, options) => {
    reports.tell('leaseRevoked', lease);
    await revoke(lease, options);
  };
  const attach = client.attach.bind(client);
  client.attach = async (lease, options) => {
    try {
      const attachment = await attach(lease, options);
      reports.tell('leaseBound', lease, process);
      attachment.subscribe((state) => {
        if (state !== 'attached') reports.tell('leaseUnbound', lease);
      });
      const close = attachment.close.bind(attachment);
      attachment.close = () => {
        reports.tell('leaseUnbound', lease);
        return close();
      };
      return attachment;
    } catch (error) {
      if (ConclaveError.is(error, 'lease-lost')) reports.tell('leaseMissing', lease);
      throw error;
    }
  };
}
