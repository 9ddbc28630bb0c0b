"""What waits in the queue, and what was given up."""

from django.core.management.base import BaseCommand
from django.db import connection
from django.utils import timezone
from procrastinate.contrib.django import app

LABELS = {
    "workflow.announce": "办件消息",
    "accounts.mail_message": "消息邮件",
    "accounts.send_sealed": "验证邮件和短信",
}


class Command(BaseCommand):
    help = "查看待发的消息、邮件和短信；--again 把已放弃的重新发送。"

    def add_arguments(self, parser):
        parser.add_argument("--again", action="store_true", help="重新发送已放弃的")

    def handle(self, *args, again, **options):
        with connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT task_name, count(*) FILTER (WHERE status IN ('todo', 'doing')),
                       count(*) FILTER (WHERE status = 'todo' AND attempts > 0),
                       count(*) FILTER (WHERE status = 'failed'),
                       min(created.at) FILTER (WHERE status IN ('todo', 'doing')),
                       array_agg(job.id) FILTER (WHERE status = 'failed')
                  FROM procrastinate_jobs job
                  LEFT JOIN procrastinate_events created ON created.job_id = job.id AND created.type = 'deferred'
                 WHERE task_name = ANY(%s) GROUP BY task_name ORDER BY task_name
                """,
                [list(LABELS)],
            )
            rows = cursor.fetchall()
        for task, waiting, tried, failed, oldest, _ in rows:
            since = (
                f"，最早的等了 {(timezone.now() - oldest).total_seconds() / 60:.0f} 分钟" if oldest else ""
            )
            self.stdout.write(f"{LABELS[task]}：待发 {waiting}（其中重试 {tried}）{since}；放弃 {failed}")
        if not rows:
            self.stdout.write("没有待发的，也没有放弃的。")
        if again:
            lost = [job for row in rows for job in row[5] or []]
            for job in lost:
                app.job_manager.retry_job_by_id(job, timezone.now())
            self.stdout.write(f"重新发送 {len(lost)} 件。")
